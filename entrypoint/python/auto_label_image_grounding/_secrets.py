"""API keys that came in through the spec or the command line: kept out of what is saved and shown.

TAO's frame saves the merged config beside the results (7.3), and Hydra prints all overrides where a
run fails. Both get a config and streams without the key; the run itself has it. Out of reach: the
process list, which shows the command line of `auto_label` itself. An environment variable is better.
"""
from __future__ import annotations

import difflib
import functools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._common import TYPE, other_blocks
from ._schema import spec_keys

HIDDEN = "***"
# Where a free-form block (extra_body) or another type's holds one.
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:api[_-]?keys?|(?:access|api|auth|bearer|id|refresh)[_-]?tokens?|bearer"
    r"|secrets?|passw(?:or)?d|credentials?|authorization|cookie)$", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")
_KEY_IN_URL = re.compile(r"(?<=[?&])([\w-]*(?:key|token|secret|sig)=)([^&#\s]+)", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\w+\}")
_INTERPOLATED = re.compile(r"\$\{(?:[\w.]+:)?(?:\w+,)?\s*(.*?)\}", re.DOTALL)
# A shorter value may be any word of a message: it is hidden only where its key stands before it.
_SHORTEST_ALONE = 8

Hidden = dict[str, str]  # text -> what to show instead


@functools.lru_cache(maxsize=1)
def _known_keys() -> dict[str, bool]:
    """Whether each key of ours is a secret, by its full path."""
    return {f"{TYPE}.{key['path']}": bool(key.get("secret")) for key in spec_keys()}


def _is_secret(path: str) -> bool:
    """Whether what stands at the path, or below it, must not be shown."""
    known = _known_keys()
    return any(known.get(prefix, False) or (
        known.get(prefix) is None and _SECRET_NAME.search(prefix.rpartition(".")[2]) is not None)
        for prefix in _prefixes(path))


def _may_be_secret(path: str) -> bool:
    """Also where the key, or what stands before it, is misspelt."""
    if _is_secret(path) or path in _known_keys():
        return _is_secret(path)
    meant = {known.rpartition(".")[2] for known, secret in _known_keys().items() if secret}
    return bool(difflib.get_close_matches(path.rpartition(".")[2], meant, cutoff=0.7))


def _prefixes(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def _without_secret_parts(url: str) -> str:
    return _KEY_IN_URL.sub(r"\1", _USER_IN_URL.sub("", url)) if "://" in url else url


def _secret_parts(url: str) -> list[str]:
    if "://" not in url:
        return []
    users = [match.group()[:-1] for match in _USER_IN_URL.finditer(url)]
    return users + [part for user in users for part in user.split(":")[1:]] + [
        match.group(2) for match in _KEY_IN_URL.finditer(url)]


def _texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """(full path, text) of each text and number of a plain tree. A pair like {name: Authorization,
    value: …} counts as that name."""
    if isinstance(node, Mapping):
        named = next((value for value in node.values()
                      if isinstance(value, str) and _SECRET_NAME.search(value)), None)
        for key, value in node.items():
            below = named if named is not None and value != named else str(key)
            yield from _texts(value, f"{path}.{below}" if path else below)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _texts(value, path)
    elif node is not None and not isinstance(node, bool):
        yield path, str(node)


def _secrets_in(node: Any, path: str, predicate: Any = _is_secret) -> list[str]:
    out = []
    for where, text in _texts(node, path):
        out += [text] if predicate(where) else _secret_parts(text)
    return [text for text in out if text]


def without_secrets(cfg: Any) -> tuple[Any, list[str]]:
    """A copy of an OmegaConf config without them, and what was taken out.

    `${oc.env:MY_KEY}` stays as it is written: it says nothing.
    """
    from omegaconf import OmegaConf, read_write

    copy = cfg.copy()
    taken: list[str] = []
    with read_write(copy):
        for node, name, path in list(_leaves(copy)):
            written = OmegaConf.to_container(node, resolve=False)[name]
            if not isinstance(written, str) or not written or _ENVIRONMENT.fullmatch(written):
                continue
            if _is_secret(path):
                node[name] = ""
                taken += [written, *_INTERPOLATED.findall(written)]
                taken += _resolved(cfg, path) if "${" in written else []
            elif _without_secret_parts(written) != written:
                node[name] = _without_secret_parts(written)
                taken += _secret_parts(written)
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
    named = next((value for value in plain.values() if isinstance(value, str)
                  and _SECRET_NAME.search(value)), None) if isinstance(plain, dict) else None
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
    for argument in arguments:
        key, equals, text = argument.lstrip("+~").partition("=")
        if not equals:
            key, equals, text = argument.lstrip("+~").partition(":")  # a slip
        if not equals or key.partition(".")[0] in other_blocks():
            continue
        key = key.replace("/", ".")
        found = _secrets_in(_value_of(argument, text), key, _may_be_secret)
        if not found:
            continue
        hidden |= _forms(argument, f"{key}={HIDDEN}") | _forms(text, HIDDEN, _SHORTEST_ALONE)
        for secret in found:
            hidden |= alone(secret)
    return hidden


def _value_of(argument: str, text: str) -> Any:
    """As Hydra reads it; the text itself where it does not."""
    try:
        from hydra.core.override_parser.overrides_parser import OverridesParser

        return OverridesParser.create().parse_override(argument).value()
    except Exception:
        return text


def in_spec(arguments: list[str]) -> Hidden:
    """What the spec that Hydra is about to read holds of them."""
    given = dict(zip(arguments, arguments[1:]))
    try:
        import yaml

        with open(f"{given['--config-path']}/{given['--config-name']}", encoding="utf-8") as file:
            spec = yaml.safe_load(file)
        block = spec.get(TYPE) if spec.get("autolabel_type") == TYPE else None
    except Exception:  # Hydra will say what is wrong with it
        return {}
    hidden: Hidden = {}
    for secret in _secrets_in(block, TYPE):
        if not _ENVIRONMENT.fullmatch(secret):
            hidden |= alone(secret)
    return hidden


def alone(secret: str) -> Hidden:
    return _forms(secret, HIDDEN, _SHORTEST_ALONE)


def _forms(text: str, instead: str, shortest: int = 1) -> Hidden:
    """As it is, and as Python, JSON and YAML write it within quotes."""
    forms = {text, repr(text)[1:-1], json.dumps(text)[1:-1], text.replace("'", "''"),
             json.dumps(text, ensure_ascii=False)[1:-1]}
    return {form: instead for form in forms if len(form) >= shortest}


class _Guarded:
    """A text stream that shows other words in the place of some."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._hidden: list[tuple[str, str]] = []

    def hide(self, hidden: Hidden) -> None:
        # The longest first, for one may be a part of another.
        self._hidden = sorted((dict(self._hidden) | hidden).items(), key=lambda pair: -len(pair[0]))

    def write(self, text: str) -> int:
        shown = text
        for secret, instead in self._hidden:
            shown = shown.replace(secret, instead)
        self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_output(hidden: Hidden) -> None:
    """From now on sys.stdout and sys.stderr show none of it. May be called again, for more."""
    if not hidden:
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            continue
        if not isinstance(stream, _Guarded):
            stream = _Guarded(stream)
            setattr(sys, name, stream)
        stream.hide(hidden)
