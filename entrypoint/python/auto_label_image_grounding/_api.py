"""What Python callers see: `run`, `dry_run`, `evaluate` and `default_specs`."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Union, cast

if TYPE_CHECKING:
    from ._reports import DryRun, Evaluation, Progress, Summary
else:  # cast() needs a value, and nothing of this must be loaded for other types
    DryRun = Evaluation = Progress = Summary = dict

Spec = Union[str, "os.PathLike[str]", Mapping[str, Any]]  # or an OmegaConf DictConfig

LOGGER = logging.getLogger("auto_label_image_grounding")


class NativeModuleError(OSError):
    """The compiled part cannot be loaded. An OSError, for TAO records those in status.json."""


def load_native() -> ModuleType:
    try:
        from . import _native
    except ImportError as error:
        raise NativeModuleError(
            f"The compiled module auto_label_image_grounding._native cannot be loaded: {error}. "
            "Install the package again, with the Python that runs it; "
            "`python -m auto_label_image_grounding doctor` shows what is wrong."
        ) from error
    return _native


def is_worker_rank() -> bool:
    """Whether torchrun started this process as another rank than the first, which does the work.

    RANK and WORLD_SIZE alone say nothing: batch systems set them for processes that are on their own.
    """
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"


def to_plain(spec: Any) -> Any:
    """Dicts, lists and scalars of a Mapping or of an OmegaConf config (interpolations resolved)."""
    if type(spec).__module__.partition(".")[0] == "omegaconf":
        from omegaconf import OmegaConf

        return OmegaConf.to_container(spec, resolve=True, enum_to_str=True)
    if isinstance(spec, Mapping):
        return {key: to_plain(value) for key, value in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [to_plain(value) for value in spec]
    return spec


def _to_text(spec: Spec) -> tuple[str, str | None]:
    """The spec as YAML, and the file that it comes from. JSON is YAML, but for \\u pairs."""
    if isinstance(spec, (str, os.PathLike)):
        path = os.fspath(spec)
        with open(path, encoding="utf-8") as file:
            return file.read(), path
    plain = to_plain(spec)
    if not isinstance(plain, dict):
        raise TypeError(
            f"spec is a {type(spec).__name__}: a dict, an OmegaConf config or the path of a YAML "
            "file is needed")
    try:
        return json.dumps(plain, ensure_ascii=False, default=os.fspath, indent=1), None
    except TypeError as error:
        raise TypeError(f"spec holds a value that YAML cannot hold: {error}") from None


def _to_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("spec: a text in it is not Unicode: it holds half of a surrogate pair") from None


def run(
    spec: Spec,
    results_dir: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary | None:
    """Runs the pipeline on the calling thread and returns its summary, as in summary.json.

    Args:
        spec: a dict, an OmegaConf config, or the path of a YAML file.
        results_dir: replaces the spec's.
        on_progress: called about ten times a second with the counts so far, on the calling thread;
            what it raises ends the run.

    Returns:
        The summary; None in the other ranks than the first under torchrun, which do nothing.

    Raises:
        ValueError: the spec or the endpoint is not usable, or too many records failed.
        FileNotFoundError, OSError: a file is missing or cannot be read or written.
        KeyboardInterrupt: SIGINT, SIGTERM, or the end of the process that started this one, unless
            under nohup. What was finished is kept for the next run.

    Messages go to the logger "auto_label_image_grounding". Signals are noticed in the main thread.
    """
    if is_worker_rank():
        return None
    from ._lifetime import parent_watch, terminates_as_interrupt  # with ctypes: not for other types

    check_parent = parent_watch(LOGGER)

    def progress(counts: Progress) -> None:
        check_parent()
        if on_progress is not None:
            on_progress(counts)

    with terminates_as_interrupt():
        return run_unwatched(spec, results_dir, progress)


def dry_run(spec: Spec, results_dir: str | os.PathLike[str] | None = None) -> DryRun:
    """Checks the spec, the input, the images and the endpoint, and counts the requests of a run.

    Writes nothing, and sends only requests that cost nothing. Arguments and errors as for run().
    """
    return cast(DryRun, json.loads(_with_spec(
        spec, results_dir, lambda native, text, where: native.dry_run(text, where, _log))))


def evaluate(annotations: str | os.PathLike[str], truth: str | os.PathLike[str],
             worst: int = 0) -> Evaluation:
    """Compares annotations with known truth.

    Args:
        annotations: annotations.jsonl of a run.
        truth: records with the true boxes; docs/evaluate.md describes the format.
        worst: how many phrases with the lowest IoU are listed.

    Raises:
        ValueError: a line cannot be read, or the truth is impossible; names file and line.
        FileNotFoundError, OSError: a file is missing or cannot be read.
    """
    text = load_native().evaluate(os.fsencode(annotations), os.fsencode(truth), worst)
    return cast(Evaluation, json.loads(text))


def _log(level: int, text: str) -> None:
    LOGGER.log(level, "%s", text)


def run_unwatched(
    spec: Spec,
    results_dir: str | os.PathLike[str] | None,
    on_progress: Callable[[Progress], None],
) -> Summary:
    """run() without watching SIGTERM and the parent, for a caller that does so itself."""
    return cast(Summary, json.loads(_with_spec(
        spec, results_dir,
        lambda native, text, where: native.run(text, where, _log, on_progress))))


def _with_spec(spec: Spec, results_dir: str | os.PathLike[str] | None,
               call: Callable[[Any, bytes, bytes | None], str]) -> str:
    """call(native module, spec as YAML, results_dir), whose errors name the spec's file.

    As bytes: for text that is no UTF-8 (file names may hold such bytes) pybind11 would raise an error
    that shows all arguments, API key included.
    """
    native = load_native()
    text, path = _to_text(spec)
    where = None if results_dir is None else os.fsencode(results_dir)
    try:
        return call(native, _to_bytes(text), where)
    except ValueError as error:
        if path and str(error).startswith("spec:"):  # the file's name instead of "spec:LINE:"
            raise ValueError(path + str(error)[len("spec"):]) from None
        raise


def default_specs(results_dir: str | os.PathLike[str]) -> str:
    """Writes results_dir/experiment.yaml with every key and its default, and returns its path.

    An existing file with other contents is moved aside first, and a warning says where to.

    Raises:
        OSError: the file cannot be written.
    """
    path, kept = load_native().write_default_spec(os.fsencode(results_dir))
    if kept:
        LOGGER.warning("moved the existing %s to %s", path, kept)
    return str(path)
