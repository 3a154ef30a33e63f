"""API keys in specs, overrides and URLs: which texts are one, and what shows them.

One rule serves what is saved, what is printed and what messages say: a value is a secret where our
spec says so, where the name before it tells (also a misspelt one, and in text that Hydra cannot
read), and where it is a URL's password or key. Names such as `token`, which may mean anything, tell
only together with a value that looks like a key.
"""
from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._child_arguments import spec_text
from ._common import TYPE, other_blocks
from ._schema import spec_keys

HIDDEN = "***"
Hidden = dict[str, str]  # text -> what to show instead
# A shorter value may be any word of a message: it is hidden only where its key stands before it.
_SHORTEST_ALONE = 8

# Last words of a name, written together, that say it whatever the value is …
_TELLING = frozenset(
    "apikey apikeys accesskey privatekey secretkey subscriptionkey accesstoken apitoken authtoken "
    "bearertoken idtoken refreshtoken sessiontoken bearer secret secrets password passwd passphrase "
    "credential credentials authorization cookie".split())
# … and last words that say it of what looks like a key.
_SUGGESTING = frozenset("key keys token sig signature auth pass pwd pat jwt creds".split())
_SUGGESTING_IN_URL = _SUGGESTING | {"code"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LIKE_A_KEY = re.compile(r"(?=.*[A-Za-z])(?:(?=.*\d)[\w.~+/=:-]{8,}|[\w.~+/=:-]{16,})", re.DOTALL)
_CLOSE = 0.7  # how much of a misspelt name must be that of a key of ours

_PROPER_URL = re.compile(r"https?://", re.IGNORECASE)
_USER = re.compile(r"(?<=//)[^/?#\s]*(?=@)|^[^/?#\s:@]+:[^/?#\s]*(?=@)")
_USER_IN_BROKEN_URL = re.compile(r"(?:(?<=//)|^)[^?#\s]*(?=@)")
_QUERY = re.compile(r"[?&#;]([\w.%-]+)=([^&#\s]+)")
# `name: value`, `name=value`, `"name": "value"`, also where a bracket or a quote is never closed.
_ASSIGNED = re.compile(
    r"""([\w.-]+)[\\"'\s]*[:=](?!//)(?=[\s"'\\\[{]*((?:\\.|[^\\\s,"'}\]&])+))""")
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\w+\}")
_INTERPOLATED = re.compile(r"\$\{(?:[\w.]+:)?(?:\w+,)?\s*(.*?)\}", re.DOTALL)


@functools.lru_cache(maxsize=1)
def _known_keys() -> dict[str, bool]:
    """Whether each key of ours is a secret, by its full path; free-form blocks are not among them."""
    return {f"{TYPE}.{key['path']}": bool(key.get("secret")) for key in spec_keys()
            if key["type"] != "dict"}


@functools.lru_cache(maxsize=4096)
def _tells(name: str) -> bool:
    words = _words(name)
    if words[-1:] and (words[-1] in _TELLING or "".join(words[-2:]) in _TELLING):
        return True
    ours = {path.rpartition(".")[2] for path, secret in _known_keys().items() if secret}
    return bool(difflib.get_close_matches(name.lower(), ours, cutoff=_CLOSE))


def _suggests(name: str, words: frozenset[str] = _SUGGESTING) -> bool:
    return _words(name)[-1:] != [] and _words(name)[-1] in words


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_secret(path: str, text: str) -> bool:
    """Whether the text, which stands at the path or below it, must not be shown."""
    known = _known_keys()
    if path in known:
        return known[path]
    names = [prefix.rpartition(".")[2] for prefix in _prefixes(path) if prefix not in known]
    return any(known.get(prefix, False) for prefix in _prefixes(path)) or any(
        _tells(name) or (_suggests(name) and _LIKE_A_KEY.fullmatch(text) is not None)
        for name in names)


def _prefixes(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def _url_parts(path: str, text: str) -> list[tuple[int, int]]:
    """(begin, end) of each part of the text that a URL would keep to itself."""
    broken = "url" in path.rpartition(".")[2].lower() and not _PROPER_URL.match(text)
    users = (_USER_IN_BROKEN_URL if broken else _USER).finditer(text)
    parts = [match.span() for match in users if match.group()]
    return parts + [match.span(2) for match in _QUERY.finditer(text)
                    if _tells(match.group(1)) or _suggests(match.group(1), _SUGGESTING_IN_URL)]


def _url_secrets(path: str, text: str) -> list[str]:
    parts = [text[begin:end] for begin, end in _url_parts(path, text)]
    return parts + [word for part in parts for word in part.split(":")[1:]]


def _without_url_secrets(path: str, text: str) -> str:
    for begin, end in sorted(_url_parts(path, text), reverse=True):
        text = text[:begin] + text[end:].removeprefix("@")
    return text


def _texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """(full path, text) of each text and number of a plain tree. A pair like {name: Authorization,
    value: …} counts as that name."""
    if isinstance(node, Mapping):
        named = _named_by(node)
        for key, value in node.items():
            below = named if named is not None and value != named else str(key)
            yield from _texts(value, f"{path}.{below}" if path else below)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _texts(value, path)
    elif node is not None and not isinstance(node, bool):
        yield path, str(node)


def _named_by(node: Mapping[Any, Any]) -> str | None:
    return next((value for key, value in node.items() if str(key).lower() in ("name", "key", "header")
                 and isinstance(value, str) and _tells(value)), None)


def _secrets_in(node: Any, path: str) -> list[str]:
    found: list[str] = []
    for where, text in _texts(node, path):
        found += [text] if _is_secret(where, text) else _url_secrets(where, text)
    return [text for text in found if text]


def _assigned(text: str) -> list[str]:
    """What follows a name that tells, in text of any form."""
    return [match.group(2) for match in _ASSIGNED.finditer(text)
            if _is_secret(match.group(1).rpartition(".")[2], match.group(2))]


def without_secrets(cfg: Any) -> tuple[Any, list[str]]:
    """A copy of an OmegaConf config without them, and what was taken out.

    `${oc.env:MY_KEY}` stays as it is written: it says nothing.
    """
    from omegaconf import OmegaConf, read_write

    copy = cfg.copy()
    taken: list[str] = []
    with read_write(copy):
        for node, name, path in list(_leaves(copy)):
            value = OmegaConf.to_container(node, resolve=False)[name]
            written = "" if value is None or isinstance(value, bool) else str(value)
            if not written or _ENVIRONMENT.fullmatch(written):
                continue
            if _is_secret(path, written):
                node[name] = ""
                taken += [written, *_INTERPOLATED.findall(written)]
                taken += _resolved(cfg, path) if "${" in written else []
            elif _url_parts(path, written):
                node[name] = _without_url_secrets(path, written)
                taken += _url_secrets(path, written)
    return copy, [text for text in taken if text]


def _resolved(cfg: Any, path: str) -> list[str]:
    from omegaconf import OmegaConf

    try:
        return [str(OmegaConf.select(cfg, path))]
    except Exception:  # the run will say what is wrong with it
        return []


def _leaves(node: Any, path: str = "") -> Iterator[tuple[Any, Any, str]]:
    """(parent, key, path as in _texts) of each value that is no block."""
    from omegaconf import DictConfig, ListConfig, OmegaConf

    plain = OmegaConf.to_container(node, resolve=False)
    named = _named_by(plain) if isinstance(plain, dict) else None
    for name in list(plain) if isinstance(plain, dict) else range(len(plain)):
        value = plain[name]
        below = path
        if isinstance(plain, dict):
            word = named if named is not None and value != named else str(name)
            below = f"{path}.{word}" if path else word
        child = node._get_node(name)
        if isinstance(child, (DictConfig, ListConfig)) and isinstance(value, (dict, list)):
            yield from _leaves(child, below)
        else:
            yield node, name, below


def in_overrides(arguments: Iterable[str]) -> Hidden:
    """What the overrides hold of them, those of other types' blocks apart."""
    hidden: Hidden = {}
    free = []  # those whose text may hold names of any kind
    for argument in arguments:
        # A ":" where "=" is meant is a slip.
        key, *rest = re.split("[:=]", argument.lstrip("+~"), maxsplit=1)
        path, text = key.replace("/", "."), "".join(rest)
        if path.partition(".")[0] in other_blocks():
            continue
        found = _secrets_in(_value_of(argument, text), path)
        if path not in _known_keys():
            free.append(argument)
            found += _assigned(argument)
        if found:
            hidden |= _forms(argument, f"{key}={HIDDEN}") | _forms(text, HIDDEN, _SHORTEST_ALONE)
            hidden |= alone(found)
    # `{api_key: KEY}` is two arguments: the dispatcher splits at blanks.
    return hidden | alone(_assigned(" ".join(free)))


def _value_of(argument: str, text: str) -> Any:
    """As Hydra reads it; the text itself where it does not."""
    try:
        from hydra.core.override_parser.overrides_parser import OverridesParser

        return OverridesParser.create().parse_override(argument).value()
    except Exception:
        return text


def in_spec(arguments: list[str]) -> Hidden:
    """What the spec that Hydra is about to read holds of them, those of other types' blocks apart."""
    text = spec_text(arguments)
    try:
        import yaml

        spec = yaml.safe_load(text)
        found = _secrets_in({name: block for name, block in spec.items()
                             if name not in other_blocks()}, "")
    except Exception:  # Hydra will show the line that it cannot read
        found = _assigned(text)
    return alone(secret for secret in found if not _ENVIRONMENT.fullmatch(secret))


def alone(secrets: Iterable[str]) -> Hidden:
    hidden: Hidden = {}
    for secret in secrets:
        hidden |= _forms(secret, HIDDEN, _SHORTEST_ALONE)
        hidden |= _forms(re.sub(r"\\(.)", r"\1", secret), HIDDEN, _SHORTEST_ALONE)
    return hidden


def _forms(text: str, instead: str, shortest: int = 1) -> Hidden:
    """As it is, and as Python, JSON and YAML write it within quotes."""
    forms = {text, repr(text)[1:-1], json.dumps(text)[1:-1], text.replace("'", "''"),
             json.dumps(text, ensure_ascii=False)[1:-1]}
    return {form: instead for form in forms if len(form) >= shortest}
