"""How a run ends early: signals, and a parent that is no more. SIGTERM stops it as Ctrl-C does.

SIGTERM to `auto_label` leaves its child running, with requests that cost money. So TAO's child asks
the kernel for a SIGTERM when its parent dies. The kernel means the thread that started it, which
need not live as long as a program that calls `alig.run`: there the run looks now and then.
"""
from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ._common import PARENT, PROCESS

_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2
_ENDED = "the process that started this run has ended; start it with nohup to let it go on"


def _prctl(option: int, argument: object) -> None:
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the check below remains
        ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0)


def _parent_of(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _has_ended(parent: int, launcher: int | None = None) -> bool:
    return os.getppid() != parent or (launcher is not None and _parent_of(parent) != launcher)


def _was_orphaned(parent: int) -> bool:
    """Whether the dispatcher died before this process could note it: its pipe has no reader, and
    another process has taken its place, of another session or the first of all."""
    pipe = select.poll()
    pipe.register(1, 0)
    try:
        broken = any(event & select.POLLERR for _, event in pipe.poll(0))
        detached = os.getsid(0) == os.getpid()  # on purpose, by setsid
        return broken and not detached and (parent <= 1 or os.getsid(parent) != os.getsid(0))
    except OSError:  # no such process any more
        return True


def _check_for(parent: int) -> Callable[[], None]:
    """Raises KeyboardInterrupt once the parent (and under torchrun its parent too) has died."""
    launcher = _parent_of(parent) if "TORCHELASTIC_RUN_ID" in os.environ else None
    was_orphaned = _was_orphaned(parent if launcher is None else launcher)

    def check() -> None:
        if was_orphaned or _has_ended(parent, launcher):
            raise KeyboardInterrupt("the process that started this run has died")

    return check


def is_from_terminal(interrupt: KeyboardInterrupt) -> bool:
    """Whether it is Ctrl-C, not SIGTERM or the parent's death."""
    return str(interrupt) in ("", signal.SIGINT.name)


def parent_watch(logger: logging.Logger) -> Callable[[], None]:
    """Gives a function to call from time to time: KeyboardInterrupt once the parent has ended."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup: it is to outlive its parent
        return lambda: None
    parent, seen = os.getppid(), False

    def check() -> None:
        nonlocal seen
        if not _has_ended(parent):
            return
        # Ctrl-C reaches the parent too, and a service's stop its whole group: a signal that comes
        # with the parent's end has arrived by the second look, and is not to count twice.
        if seen:
            logger.warning(_ENDED)
            raise KeyboardInterrupt(_ENDED)
        seen = True

    return check


@contextlib.contextmanager
def terminates_as_interrupt() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt, unless it has another handler (main thread only)."""
    taken = (threading.current_thread() is threading.main_thread()
             and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    if not taken:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def ends_with_parent() -> Iterator[Callable[[], None]]:
    """Inside, SIGINT, SIGTERM and the parent's death raise KeyboardInterrupt in the main thread.

    Gives a function to call from time to time, which raises once the parent is gone. All is as it
    was afterwards. In another thread signals cannot be taken: that function alone works there.
    """
    # A fork of the process that recorded it has another parent.
    parent = PARENT if os.getpid() == PROCESS else os.getppid()
    check = _check_for(parent)
    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        # Ctrl-C reaches child and parent: the parent's death right after it is no second signal,
        # which would drop the requests in flight.
        if stopping and number == signal.SIGTERM and os.getppid() != parent:
            return
        stopping = True
        raise KeyboardInterrupt(signal.Signals(number).name)

    def check_once() -> None:
        nonlocal stopping
        if not stopping:
            try:
                check()
            except KeyboardInterrupt:
                stopping = True
                raise

    before = ctypes.c_int(0)
    _prctl(_PR_GET_PDEATHSIG, ctypes.byref(before))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number, handler in handlers.items():
            if handler is not signal.SIG_IGN:  # ignored on purpose, as under nohup
                signal.signal(number, stop)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        check_once()  # it may have died before the kernel was asked
        yield check_once
    finally:
        _prctl(_PR_SET_PDEATHSIG, before.value)
        for number, handler in handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
