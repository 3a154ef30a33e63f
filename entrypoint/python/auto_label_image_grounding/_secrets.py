"""API keys that came in through the spec or the command line: kept out of what is saved and shown.

TAO's frame saves the merged config beside the results (7.3), and Hydra prints all overrides where a
run fails. Both get a config and streams without the key; the run itself has it. Out of reach: the
process list, which shows the command line of `auto_label` itself. An environment variable is better.
"""
from __future__ import annotations

import difflib
import functools
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ._registration import TYPE
from ._schema import spec_keys

HIDDEN = "***"
# Where a free-form block (extra_body) or another type's holds one.
_SECRET_NAME = re.compile(r"(?:^|[_-])(?:api_?key|token|secret|password|authorization|cookie)$",
                          re.IGNORECASE)
_MAYBE_SECRET = re.compile(r"key|token|secret|passw|credential|auth|header", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_NAMED_VALUE = re.compile(r"""([\w-]+)['"]?\s*:\s*('[^']*'|"[^"]*"|[^,{}\[\]\s]+)""")
# A shorter value may be any word of a message: it is hidden only where its key stands before it.
_SHORTEST_ALONE = 8

Hidden = dict[str, str]  # text -> what to show instead


@functools.lru_cache(maxsize=1)
def _known_keys() -> dict[str, bool]:
    """Whether each key of ours is a secret, by its full path."""
    return {f"{TYPE}.{key['path']}": bool(key.get("secret")) for key in spec_keys()}


def _is_secret(path: str) -> bool:
    known = _known_keys()
    return (_SECRET_NAME.search(path.rpartition(".")[2]) is not None
            or any(known.get(prefix, False) for prefix in _prefixes(path)))


def _may_be_secret(path: str) -> bool:
    """Also where the key is misspelt: what it holds must not be shown either."""
    if _is_secret(path) or path in _known_keys():
        return _is_secret(path)
    name = path.rpartition(".")[2]
    meant = {known.rpartition(".")[2] for known, secret in _known_keys().items() if secret}
    return bool(_MAYBE_SECRET.search(name) or difflib.get_close_matches(name, meant, cutoff=0.7))


def _prefixes(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def without_secrets(cfg: Any) -> tuple[Any, list[str]]:
    """A copy of an OmegaConf config without them, and what was taken out.

    Interpolations stay as they are written: `${oc.env:MY_KEY}` says nothing.
    """
    from omegaconf import read_write

    copy = cfg.copy()
    taken: list[str] = []
    with read_write(copy):
        for node, name, path in list(_texts(copy)):
            value = node[name]
            if _is_secret(path):
                node[name] = ""
                taken.append(value)
            elif user := _USER_IN_URL.search(value):
                node[name] = _USER_IN_URL.sub("", value)
                taken.append(user.group()[:-1])
    return copy, taken


def _texts(node: Any, path: str = "") -> Iterator[tuple[Any, Any, str]]:
    """(parent, key, full path) of each text below `node` that is written out there, and not empty."""
    from omegaconf import DictConfig, ListConfig, OmegaConf

    for name in list(node) if isinstance(node, DictConfig) else range(len(node)):
        if OmegaConf.is_interpolation(node, name) or OmegaConf.is_missing(node, name):
            continue
        value, where = node[name], f"{path}.{name}" if path else str(name)
        if isinstance(value, (DictConfig, ListConfig)):
            yield from _texts(value, where)
        elif isinstance(value, str) and value:
            yield node, name, where


def in_overrides(arguments: Iterable[str]) -> Hidden:
    """What the overrides of our block hold of them."""
    hidden: Hidden = {}
    for argument in arguments:
        key, equals, value = argument.lstrip("+~").partition("=")
        if not equals or key.partition(".")[0] != TYPE:
            continue
        found = [value] if _may_be_secret(key) else [
            text for name, text in _NAMED_VALUE.findall(value) if _may_be_secret(f"{key}.{name}")]
        found += [match.group()[:-1] for match in _USER_IN_URL.finditer(value)]
        shown = value
        for secret in filter(None, (text.strip("'\"") for text in found)):
            shown = shown.replace(secret, HIDDEN)
            hidden |= alone(secret)
        if shown != value:
            hidden[f"{key}={value}"] = f"{key}={shown}"
    return hidden


def alone(secret: str) -> Hidden:
    return {secret: HIDDEN} if len(secret) >= _SHORTEST_ALONE else {}


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
