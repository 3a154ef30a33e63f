"""A run inside TAO's child process: its loggers, its progress line, its way to end."""
from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import _api, _lifetime, _shown
from ._common import TYPE
from ._console import Console, ConsoleHandler, without_brackets

if TYPE_CHECKING:
    from ._reports import Progress

_OUR_KEYS = ("autolabel_type", TYPE)


def run_for_tao(cfg: Any, results_dir: str, advice: str | None = None) -> None:
    """Raises what TAO's monitor_status knows: ValueError, TypeError, OSError, KeyboardInterrupt.

    advice: a warning to begin with.
    """
    console = Console()
    tao = _TaoLogs(console)
    try:
        with _lifetime.ends_with_parent() as check_parent, _log_to(console):
            tao.info(f"image_grounding: starting, results in {results_dir}")
            if advice:
                _api.LOGGER.warning(advice)

            def on_progress(progress: Progress) -> None:
                check_parent()
                console.progress(progress)

            spec = {key: cfg[key] for key in _OUR_KEYS}
            tao.finished(_api.run_unwatched(spec, results_dir, on_progress))
    except KeyboardInterrupt as interrupt:
        tao.warning("image_grounding: stopped; what was finished is kept for the next run")
        if _lifetime.is_from_terminal(interrupt):
            raise
        # monitor_status swallows KeyboardInterrupt, and a terminated run would pass for a good one.
        raise InterruptedError(errno.EINTR, f"image_grounding: stopped ({interrupt})") from None
    except Exception as error:
        shown = _shown.without_hidden(error)
        tao.error(f"image_grounding: {shown}")
        if shown is error:
            raise
        raise shown from None
    finally:
        console.close()


@contextlib.contextmanager
def _log_to(console: Console) -> Iterator[None]:
    """Our records go to the console once: not also through Hydra's handlers at the root."""
    logger, handler = _api.LOGGER, ConsoleHandler(console)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
        logger.setLevel(level)


def kpi_of(summary: Mapping[str, Any]) -> dict[str, int]:
    records, requests = summary.get("records", {}), summary.get("requests", {})
    tokens = summary.get("tokens", {})
    return {
        "records": records.get("total", 0),
        "failed": records.get("failed", 0),
        "expressions": summary.get("expressions", 0),
        "boxes": summary.get("boxes", 0),
        "requests": requests.get("sent", 0),
        "retries": requests.get("retries", 0),
        "tokens_input": tokens.get("input", 0),
        "tokens_output": tokens.get("output", 0),
    }


def _put_into_next_record(status_logger: Any, kpi: dict[str, int]) -> None:
    """The frame's next record is the one that says that the run has finished; more may follow."""
    write = status_logger.write

    @functools.wraps(write)
    def write_once(*args: Any, **kwargs: Any) -> Any:
        try:
            return write(*args, **kwargs)
        finally:
            status_logger.kpi = {}
            status_logger.write = write

    status_logger.kpi = kpi  # the dict is the frame's from now on
    status_logger.write = write_once


class _TaoLogs:
    """TAO's logger and status logger, where they are. Their trouble never ends a run; it is said once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._module: Any = None
        self._trouble_said = False
        with self._guarded():
            self._module = importlib.import_module("nvidia_tao_ds.core.logging.logging")

    def info(self, message: str) -> None:
        self._log("info", message)

    def warning(self, message: str) -> None:
        self._log("warning", message)

    def error(self, message: str) -> None:
        self._log("error", message)

    def finished(self, summary: Mapping[str, Any]) -> None:
        kpi = kpi_of(summary)
        self.info("image_grounding: " + ", ".join(f"{k} {v}" for k, v in kpi.items()))
        with self._guarded():
            _put_into_next_record(self._module.get_status_logger(), kpi)

    def _log(self, level: str, message: str) -> None:
        self._console.end_bar()
        with self._guarded():
            getattr(self._module.logging, level)(without_brackets(message))
            self._console.others_wrote()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self._trouble_said:
                self._trouble_said = True
                self._console.message("WARNING image_grounding: cannot report to TAO "
                                      f"({type(error).__name__}: {error}); the run is not affected")
