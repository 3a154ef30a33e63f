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

from ._child_arguments import spec_given, spec_text
from ._common import TYPE, other_blocks
from ._schema import spec_keys

HIDDEN = "***"
Hidden = dict[str, str]  # text -> what to show instead
# A shorter value, or a plain word, may be part of any message: hidden only after its key.
_SHORTEST_ALONE = 8
_PLAIN_WORD = re.compile(r"[a-z_]{1,15}")

# Words that say it wherever a name has them, last words (written together) that do …
_TELLING_ANYWHERE = re.compile("secret|passw(?:or)?d|passphrase|apikey")
_TELLING = frozenset(
    "accesskey privatekey subscriptionkey accesstoken apitoken authtoken bearertoken idtoken refreshtoken "
    "sessiontoken bearer credential credentials authorization cookie".split())
# … and last words that say it of what looks like a key.
_SUGGESTING = frozenset("key token sig signature auth".split())
_SUGGESTING_IN_URL = _SUGGESTING | {"code"}
# … unless this is before them: names of tokenizers and caches.
_HARMLESS_BEFORE = frozenset("bos eos pad unk mask cls sep stop start end begin new image video audio "
                             "special next cache".split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SCHEME = re.compile(r"(?:bearer|basic|token|digest)\s+", re.IGNORECASE)  # of HTTP authentication
_LIKE_A_KEY = re.compile(r"(?=.*\d)(?=.*[A-Za-z])\S{8,}|[\w.~+/=:-]{16,}", re.DOTALL)
_LONGEST_NAME = 100
_CLOSE = 0.7  # how much of a misspelt name must be that of a key of ours

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER = re.compile(r"(?<=[A-Za-z]://)[^/?#\s]*(?=@)")
_USER_OF_HOST = re.compile(r"^(?!mailto:)[^\s/@:]+:[^\s/@]+(?=@[\w.-]+(?::\d+)?/?$)")
# In what is meant for a URL: also without "http://", and with a "/" or a blank in the password.
_PROPER_URL = re.compile(
    r"[a-z][a-z0-9+.-]*://(?!/)(?:[^/?#@:]*(?::\d*)?(?:[/?#]|$)|[^/?#\s]*@)", re.IGNORECASE)
_USER_IN_BROKEN_URL = re.compile(r"(?:(?<=//)|^).*(?=@)", re.DOTALL)
_QUERY = re.compile(r"[?&#;]([\w.%\[\]-]+)=([^&#\s]+(?:\s[^&#]+)?)")
_BARE_QUERY = re.compile(r"[?&]([^=&#\s]+)(?=[&#]|$)")
# `name: value`, `name=value`, `"name": "value"`, `<name>value`, `--name value`, also where a bracket or
# a quote is never closed. Bounded, and only from where a name begins: linear in the text.
_ASSIGNED = re.compile(
    r"""(?<![\w.-])([\w.-]{1,100})[\\"'\s]{0,9}[:=>](?!//)"""
    r"""(?=[\s"'\\\[{]{0,9}(?:(?:bearer|basic|token)\s+)?((?:\\.|[^\\\s,"'}\]&<]){1,4096}))""",
    re.IGNORECASE)
_OPTION = re.compile(r"""(?<![\w-])--([\w-]{1,100})\s+["']?([^\s"']{1,4096})""")
# What is an override, and not the rest of one; and the name that an argument ends in.
_OVERRIDE = re.compile(r"[+~]*[\w./@]+=(?!=*$)")
_LAST_NAME = re.compile(r"""(?<![\w-])([\w-]{1,100})["'\s]{0,9}[:=]?[\s"'\[{]{0,9}$""")
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\w+\}")
_INTERPOLATED = re.compile(r"\$\{(?:[\w.]+:)?(?:\w+,)?\s*(.*?)\}", re.DOTALL)


@functools.lru_cache(maxsize=1)
def _known_keys() -> dict[str, bool]:
    """Whether each key of ours is a secret, by its full path; of free-form blocks, only those that are
    secrets as a whole."""
    return {f"{TYPE}.{key['path']}": bool(key.get("secret")) for key in spec_keys()
            if key["type"] != "dict" or key.get("secret")}


@functools.lru_cache(maxsize=4096)
def _tells(name: str) -> bool:
    words = _words(name[-_LONGEST_NAME:])
    return bool(words) and (words[-1] in _TELLING or "".join(words[-2:]) in _TELLING
                            or _TELLING_ANYWHERE.search("".join(words)) is not None)


@functools.lru_cache(maxsize=4096)
def _is_misspelt(name: str) -> bool:
    """Whether a key of ours that is a secret may be meant."""
    ours = {path.rpartition(".")[2] for path, secret in _known_keys().items() if secret}
    return len(name) < _LONGEST_NAME and bool(
        difflib.get_close_matches(name.lower(), ours, cutoff=_CLOSE))


def _suggests(name: str, words: frozenset[str] = _SUGGESTING) -> bool:
    last = _words(name)[-2:]
    return last != [] and last[-1] in words and last[0] not in _HARMLESS_BEFORE


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_secret(path: str, text: str) -> bool:
    """Whether the text, found at or below the path, must not be shown."""
    known = _known_keys()
    if path in known:
        return known[path]
    names = [prefix.rpartition(".")[2] for prefix in _prefixes(path)]
    if names and (_tells(names[0]) or any(known.get(prefix) for prefix in _prefixes(path))):
        return True
    if ".extra_body." not in path and any(map(_is_misspelt, names[:2])):  # a key, or a block of them
        return True
    value = _SCHEME.sub("", text, count=1)
    # A schema's {password: {type: string}} says nothing.
    below = re.fullmatch(r"\S{8,}", value) and not _PLAIN_WORD.fullmatch(value) and any(
        map(_tells, names))
    return bool(below) or _LIKE_A_KEY.fullmatch(value) is not None and any(map(_suggests, names))


def _prefixes(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def _url_parts(path: str, text: str) -> list[tuple[int, int]]:
    """(begin, end) of each part of the text that a URL would keep to itself."""
    is_url = "url" in path.rpartition(".")[2].lower() or _URL.match(text) is not None
    if not is_url and (path in _known_keys() or "." not in path):  # a model, a folder, results_dir
        return []
    broken = is_url and not _PROPER_URL.match(text)
    rule = _USER_IN_BROKEN_URL if broken else _USER if "://" in text else _USER_OF_HOST
    users = rule.finditer(text)
    parts = [match.span() for match in users if match.group()]
    parts += [match.span(2) for match in _QUERY.finditer(text)
              if _tells(match.group(1)) or _suggests(match.group(1), _SUGGESTING_IN_URL)]
    return parts + [match.span(1) for match in _BARE_QUERY.finditer(text)
                    if is_url and _LIKE_A_KEY.fullmatch(match.group(1))]


def _url_secrets(path: str, text: str) -> list[str]:
    parts = [text[begin:end] for begin, end in _url_parts(path, text)]
    return parts + [word for part in parts for word in part.split(":")[1:]]


def _without_url_secrets(path: str, text: str) -> str:
    for begin, end in sorted(_url_parts(path, text), reverse=True):
        text = text[:begin] + text[end:].removeprefix("@")
    return text


def _texts(node: Any, path: str, keys: tuple[Any, ...] = ()) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """(full path, text, keys that lead to it) of each text and number of a plain tree. In a pair like
    {name: Authorization, value: …} or [Authorization, …] the path ends in that name."""
    if isinstance(node, (Mapping, list, tuple)):
        named = _name_in(node) if isinstance(node, Mapping) else None
        for key, value in node.items() if isinstance(node, Mapping) else enumerate(node):
            below = str(key) if isinstance(node, Mapping) else ""
            if named is not None and value != named:
                below = named
            yield from _texts(value, ".".join(filter(None, (path, below))), (*keys, key))
            if not isinstance(node, Mapping):  # what follows in a list may be its value
                named = value if isinstance(value, str) and _tells(value) else None
    elif node is not None and not isinstance(node, bool):
        yield path, str(node), keys


def _name_in(node: Mapping[Any, Any]) -> str | None:
    if not any("value" in str(key).lower() for key in node):
        return None
    return next((text for key, text in node.items() if "value" not in str(key).lower()
                 and isinstance(text, str) and _tells(text)), None)


def _secrets_in(node: Any, path: str) -> list[str]:
    return [secret for where, text, _ in _texts(node, path) for secret in _secrets_of(where, text)]


def _secrets_of(path: str, text: str) -> list[str]:
    """A value that is one, with its words that look like a key ("Bearer …"); or those in its text."""
    if not text:
        return []
    if _is_secret(path, text):
        return [text, *filter(_LIKE_A_KEY.fullmatch, text.split()[:_LONGEST_NAME])]
    return _url_secrets(path, text) + ([] if path in _known_keys() else _assigned(text))


def _assigned(text: str) -> list[str]:
    """What follows a name that tells, in text of any form."""
    found = [*_ASSIGNED.finditer(text), *_OPTION.finditer(text)]
    return [match.group(2) for match in found
            if _is_secret(match.group(1).rpartition(".")[2], match.group(2))]


def without_secrets(cfg: Any, block: str | None = None) -> tuple[Any, list[str]]:
    """A copy of an OmegaConf config without them (those below `block` alone, where it is given), and
    what was taken out.

    `${oc.env:MY_KEY}` stays as it is written: it says nothing.
    """
    from omegaconf import OmegaConf, read_write

    copy = cfg.copy()
    texts = [(path, text, keys) for path, text, keys in
             _texts(OmegaConf.to_container(copy, resolve=False), "")
             if keys[0] == (block or keys[0]) and not _ENVIRONMENT.fullmatch(text)]
    taken: list[str] = []
    for path, text, _ in texts:
        if _is_secret(path, text) and "${" in text:
            taken += [*_INTERPOLATED.findall(text), *_resolved(cfg, path)]
        taken += _secrets_of(path, text)
    with read_write(copy):
        for path, text, keys in texts:
            _set(copy, keys, text, _shown_of(path, text, taken))
    return copy, [text for text in taken if text]


def _shown_of(path: str, text: str, secrets: list[str]) -> str:
    """What may be saved of a value."""
    if _is_secret(path, text):
        return ""
    if path in _known_keys() or "." not in path:
        return _without_url_secrets(path, text)
    # The same text may appear elsewhere, through an alias or an interpolation.
    if _assigned(text) or any(_LIKE_A_KEY.fullmatch(secret) and secret in text for secret in secrets):
        return _without_url_secrets(path, text) if _url_parts(path, text) else ""
    return text


def _set(copy: Any, keys: tuple[Any, ...], text: str, shown: str) -> None:
    if shown != text:
        for key in keys[:-1]:
            copy = copy._get_node(key)
        copy[keys[-1]] = shown


def _resolved(cfg: Any, path: str) -> list[str]:
    from omegaconf import OmegaConf

    try:
        return [str(OmegaConf.select(cfg, path))]
    except Exception:  # the run will say what is wrong with it
        return []


def in_overrides(arguments: Iterable[str]) -> Hidden:
    """What the overrides hold of them, those of other types' blocks apart."""
    hidden: Hidden = {}
    goes_on = False  # the dispatcher splits at blanks: what is no override belongs to the one before
    for argument in arguments:
        if goes_on and not _OVERRIDE.match(argument):
            hidden |= alone([argument, argument.strip("-'\"{}[](),")])
            continue
        # A ":" where "=" is meant is a slip.
        key, *rest = re.split("[:=]", argument.lstrip("+~"), maxsplit=1)
        path, text = key.replace("/", "."), "".join(rest)
        goes_on = False
        if path.partition(".")[0] in other_blocks():
            continue
        try:
            found = _secrets_in(_value_of(argument), path)
        except Exception:  # Hydra will say what is wrong with it
            found = _secrets_of(path, text) + _assigned(argument)
        if found:
            hidden |= _forms(argument, f"{key}={HIDDEN}") | _forms(text, HIDDEN, _SHORTEST_ALONE)
            hidden |= alone(found)
        last = _LAST_NAME.search(argument)
        goes_on = bool(found) or last is not None and (_tells(last[1]) or _suggests(last[1]))
    return hidden


def _value_of(argument: str) -> Any:
    """As Hydra reads it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(argument).value()


def in_spec(arguments: list[str]) -> Hidden:
    """What the spec that Hydra is about to read holds of them, those of other types' blocks apart."""
    spec = spec_given(arguments)
    if spec is None:  # Hydra may show the line that it cannot read
        found = _assigned(spec_text(arguments))
    else:
        found = _secrets_in({name: block for name, block in spec.items()
                             if name not in other_blocks()}, "")
    return alone(secret for secret in found if not _ENVIRONMENT.fullmatch(secret))


def alone(secrets: Iterable[str]) -> Hidden:
    hidden: Hidden = {}
    for secret in secrets:
        if _PLAIN_WORD.fullmatch(secret):
            continue
        hidden |= _forms(secret, HIDDEN, _SHORTEST_ALONE)
        hidden |= _forms(re.sub(r"\\(.)", r"\1", secret), HIDDEN, _SHORTEST_ALONE)
    return hidden


def _forms(text: str, instead: str, shortest: int = 1) -> Hidden:
    """As it is, and as Python, JSON and YAML write it within quotes."""
    forms = {text, repr(text)[1:-1], json.dumps(text)[1:-1], text.replace("'", "''"),
             json.dumps(text, ensure_ascii=False)[1:-1]}
    return {form: instead for form in forms if len(form) >= shortest}
