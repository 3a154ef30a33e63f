"""What people are shown: sys.stdout, sys.stderr and messages, without the texts that are hidden."""
from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ._secrets import Hidden

_hidden: list[tuple[str, str]] = []  # the longest first, for one may be a part of another


def hide(hidden: Hidden) -> None:
    """From now on none of it is shown. May be called again, for more."""
    if not hidden:
        return
    _hidden[:] = sorted((dict(_hidden) | hidden).items(), key=lambda pair: -len(pair[0]))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Guarded):
            setattr(sys, name, _Guarded(stream))


def shown(text: str) -> str:
    for hidden, instead in _hidden:
        text = text.replace(hidden, instead)
    return text


def without_hidden(error: Exception) -> Exception:
    """The error itself, or one of the kind that TAO records with a message that may be shown."""
    message = shown(str(error))
    if message == str(error):
        return error
    kinds = (FileNotFoundError, PermissionError, OSError, ValueError, TypeError)
    return next((kind for kind in kinds if isinstance(error, kind)), RuntimeError)(message)


class _Guarded:
    """A text stream that shows other words in the place of those that are hidden."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
