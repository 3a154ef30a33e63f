"""A run of ours inside TAO's frame (`monitor_status`): what the frame saves and shows of it."""
from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import _api, _secrets, _shown
from ._dispatch import run_for_tao
from ._registration import TYPE, spec_path

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
    _shown.hide(_secrets.alone(secrets))

    def run_experiment(*_: Any, **__: Any) -> None:
        run_for_tao(cfg, results_dir, advice=_ADVICE if secrets else None)

    with _spec_kept(Path(results_dir)), _first_rank():
        return call(decorate(run_experiment), shown)


def saved_without_keys_of_ours() -> contextlib.AbstractContextManager[None]:
    """Inside, for a run of another type or of a misspelt one: it has all, what is saved has not."""

    def save_shown(save: Callable[..., None], config: Any, *args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(Exception):  # no config of a run
            config = _secrets.without_secrets(config, TYPE)[0]
        save(config, *args, **kwargs)

    return _saved_by(save_shown)


@contextlib.contextmanager
def _saved_by(save_instead: Callable[..., None]) -> Iterator[None]:
    """Inside, OmegaConf.save(…) calls save_instead(OmegaConf's own save, …)."""
    from omegaconf import OmegaConf

    save = OmegaConf.save
    OmegaConf.save = staticmethod(functools.partial(save_instead, save))
    try:
        yield
    finally:
        OmegaConf.save = staticmethod(save)


@contextlib.contextmanager
def _first_rank() -> Iterator[None]:
    """Inside, TAO's records are written: a batch system's RANK or SLURM_PROCID would silence them."""
    try:
        from pytorch_lightning.utilities import rank_zero_only
    except ImportError:
        yield
        return
    before = getattr(rank_zero_only, "rank", None)
    rank_zero_only.rank = 0
    try:
        yield
    finally:
        rank_zero_only.rank = before


def _spec_kept(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Inside, a merged config that the frame saves goes beside a user's spec, not over it.

    The user's file is not touched at any time, so no kill and no second run can lose it.
    """

    def save_beside(save: Callable[..., None], config: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        if not _is_in_the_way(f, folder):
            save(config, f, *args, **kwargs)
            _note_saved(f, folder)
            return
        beside = folder / "experiment.merged.yaml"
        if _is_in_the_way(beside, folder):
            return
        with contextlib.suppress(OSError):  # a copy for people: not worth a run
            save(config, str(beside), *args, **kwargs)
            _note_saved(beside, folder)

    return _saved_by(save_beside)


def _is_in_the_way(target: Any, folder: Path) -> bool:
    """Whether something stands there that the frame did not save itself, or that this run reads."""
    if not isinstance(target, (str, os.PathLike)) or not os.path.lexists(target):
        return False
    path = Path(target)
    if path.parent.resolve() != folder.resolve():
        return False
    if path.is_symlink() or not path.is_file() or _is_spec_of_this_run(path):
        return True
    try:
        return _saved_digests(folder).get(path.name) != _sha256(path.read_bytes())
    except OSError:  # not to be read: not ours
        return True


def _is_spec_of_this_run(path: Path) -> bool:
    spec = spec_path(sys.argv)
    try:
        return spec is not None and path.samefile(spec)
    except OSError:
        return False


def _note_saved(target: Any, folder: Path) -> None:
    with contextlib.suppress(OSError, TypeError):  # taken for a user's then, and kept
        path = Path(target)
        if path.parent.resolve() != folder.resolve():
            return
        noted = _saved_digests(folder) | {path.name: _sha256(path.read_bytes())}
        _digests_path(folder).parent.mkdir(exist_ok=True)
        _digests_path(folder).write_text(json.dumps(noted) + "\n", encoding="utf-8")


def _digests_path(folder: Path) -> Path:
    return folder / ".state" / "merged_configs.json"


def _saved_digests(folder: Path) -> dict[str, str]:
    try:
        noted = json.loads(_digests_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
