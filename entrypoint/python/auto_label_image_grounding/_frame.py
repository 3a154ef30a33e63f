"""A run of ours inside TAO's frame (`monitor_status`): what the frame saves and shows of it."""
from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import _api, _secrets
from ._dispatch import run_for_tao

_ADVICE = ("the API key came with the spec or the command line, where process lists and saved configs "
           "show it: an environment variable (GOOGLE_API_KEY, OPENAI_API_KEY) is better")


def run_in_frame(decorate: Callable[..., Any], cfg: Any, results_dir: str,
                 call: Callable[[Callable[..., Any], Any], Any]) -> Any:
    """decorate: what monitor_status(…) gave; call(monitored, cfg) calls as the caller did.

    The frame sees a config without API keys; the run gets all of it. A worker rank does nothing.
    """
    if _api.is_worker_rank():
        return None
    shown, secrets = _secrets.without_secrets(cfg)
    for secret in secrets:
        _secrets.guard_output(_secrets.alone(secret))
    with _spec_kept(Path(results_dir)) as restore:

        def run_experiment(*_: Any, **__: Any) -> None:
            restore()
            run_for_tao(cfg, results_dir, advice=_ADVICE if secrets else None)

        return call(decorate(run_experiment), shown)


@contextlib.contextmanager
def _spec_kept(folder: Path) -> Iterator[Callable[[], None]]:
    """A user's spec that stands where the frame saves the merged config stays as it is.

    Gives a function to call once the frame has saved: its file then stands beside the user's.
    """
    spec = _KeptSpec(folder)
    spec.put_aside()
    try:
        yield spec.restore
    finally:
        spec.restore()  # where the frame ended before its runner


class _KeptSpec:
    """A spec put aside under a hidden name in its folder: a killed run's is found again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "experiment.yaml"
        self._aside = folder / ".experiment.yaml.kept"
        self._digest = folder / ".state" / "merged_config.sha256"
        self._kept: bytes | None = None  # of a file that cannot be renamed: a mount, for example
        self._done = False

    def put_aside(self) -> None:
        with contextlib.suppress(OSError):  # none there, or nothing that the frame could replace
            if self._aside.exists():  # a run was killed before it put the spec back
                os.replace(self._aside, self._path)
            content = self._path.read_bytes()
            if self._is_the_frames(content):
                return
            try:
                os.rename(self._path, self._aside)
            except OSError:
                self._kept = content

    def restore(self) -> None:
        """Idempotent."""
        if self._done:
            return
        self._done = True
        saved = self._path.read_bytes() if self._path.is_file() else None
        aside = self._aside.exists()
        if saved is not None and saved != self._kept and (aside or self._kept is not None):
            self._path.with_name("experiment.merged.yaml").write_bytes(saved)
        if aside:
            os.replace(self._aside, self._path)
        elif self._kept is not None:
            self._path.write_bytes(self._kept)
        elif saved is not None:
            self._digest.parent.mkdir(exist_ok=True)
            self._digest.write_text(_sha256(saved) + "\n")

    def _is_the_frames(self, content: bytes) -> bool:
        with contextlib.suppress(OSError):
            return self._digest.read_text().strip() == _sha256(content)
        return False


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
