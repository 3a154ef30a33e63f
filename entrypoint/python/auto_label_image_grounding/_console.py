"""Standard output as TAO's parent reads it: line by line, out of a pipe that may break."""
from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, TextIO

_WIDTH = 24
_SECONDS_BETWEEN_BARS = 1.0


def without_brackets(text: str) -> str:
    """The parent overwrites a line that holds [...]: a message that must stay has none."""
    return text.replace("[", "(").replace("]", ")")


def bar(progress: Mapping[str, Any]) -> str:
    """The line that the parent draws in place: it knows `Epoch N: NN%` and a bracketed bar."""
    records, finished = progress["records"], progress["finished"]
    done = finished / records if records else 0.0
    filled = int(done * _WIDTH)
    return (f"Epoch 1: {int(done * 100):3d}%|[{'#' * filled}{'.' * (_WIDTH - filled)}] "
            f"{finished}/{records} records, {progress['failed']} failed, "
            f"{progress['requests']} requests, {progress['in_flight']} in flight")


class Console:
    """One writer for messages and bar. Any thread may print."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.RLock()
        self._bar = ""
        self._bar_at = float("-inf")
        self._bar_open = False

    def progress(self, progress: Mapping[str, Any], now: float | None = None) -> None:
        now = time.monotonic() if now is None else now
        line = bar(progress)
        if line == self._bar or now - self._bar_at < _SECONDS_BETWEEN_BARS:
            return
        with self._lock:
            self._bar, self._bar_at, self._bar_open = line, now, True
            self._write(line)

    def message(self, text: str) -> None:
        with self._lock:
            self.end_bar()
            self._write(without_brackets(text))

    def others_wrote(self) -> None:
        """Hydra's handlers print TAO's records as `[time][name]…`, which the parent takes for a bar."""
        with self._lock:
            self._bar_open = True

    def end_bar(self) -> None:
        """An empty line: the parent would glue the next message to the bar."""
        with self._lock:
            if self._bar_open:
                self._bar_open = False
                self._write("")

    def close(self) -> None:
        self.end_bar()

    def _write(self, line: str) -> None:
        if self._stream is None:  # closed when Python began
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # The reader has gone, which must not end a run.
            self._to_nowhere()

    def _to_nowhere(self) -> None:
        """Also for what Python flushes at its exit, which would turn the exit status into 120."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass


class ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s image_grounding: %(message)s",
                                            datefmt="%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.message(self.format(record))
        except Exception:
            self.handleError(record)

    def handleError(self, record: Any) -> None:  # noqa: N802
        """Says nothing: a message that cannot be written is no reason for a trace."""
