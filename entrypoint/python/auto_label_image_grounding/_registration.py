"""Makes TAO's `auto_label` know `autolabel_type: image_grounding` as ours.

The hook calls `patch` once for each watched module, right after that has run. It looks at what the
module has, never at versions; never imports the compiled part; and may be called again.
"""
from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from ._child_arguments import overrides_in, spec_given, spec_text
from ._common import MODE, TYPE, is_ours, mark, other_blocks

_OUR_OVERRIDE = re.compile(r"[+~]*image.?gr", re.IGNORECASE)
# Overrides that tell of a run of ours, also misspelt, or hold a misplaced key.
_OF_OURS = re.compile(r"[^=]*(?:image.?gr|api.?k)|[+]*autolabel_type=\W*image.?gr", re.IGNORECASE)


def patch(module: Any) -> None:
    config = getattr(module, "ExperimentConfig", None)
    if config is not None and not is_ours(config) and not _is_run_of_another_type(sys.argv):
        from ._schema import experiment_config

        module.ExperimentConfig = mark(experiment_config(config))
    monitor = getattr(module, "monitor_status", None)
    if callable(monitor) and not is_ours(monitor):
        module.monitor_status = mark(_routing(monitor))
        _guard_output_of(sys.argv)


def _is_run_of_another_type(arguments: list[str]) -> bool:
    """Whether it is certain: the frame saves the merged config of such a run, without a block of ours."""
    spec = spec_given(arguments)
    if spec is None or "defaults" in spec or _mentions_our_block(arguments):
        return False
    kind = str(spec.get("autolabel_type"))  # none: the dispatcher has a default
    return kind != TYPE and "${" not in kind and not any(
        "autolabel_type" in override for override in overrides_in(arguments))


def _mentions_our_block(arguments: list[str]) -> bool:
    return TYPE in (spec_given(arguments) or {}) or any(
        map(_OUR_OVERRIDE.match, overrides_in(arguments)))


def _guard_output_of(arguments: list[str]) -> None:
    """Hydra prints all overrides where it refuses one: before any run of ours could hide a key."""
    overrides = overrides_in(arguments)
    spec, theirs = spec_given(arguments), other_blocks()
    ours = TYPE in spec_text(arguments) if spec is None else TYPE in (*spec, spec.get("autolabel_type"))
    if ours or any(_OF_OURS.match(text) and text.lstrip("+~").partition(".")[0] not in theirs
                   for text in overrides):
        from . import _secrets, _shown

        _shown.hide(_secrets.in_overrides(overrides) | _secrets.in_spec(arguments))


def _mode_of(monitor: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return inspect.signature(monitor).bind(*args, **kwargs).arguments.get("mode")
    except (TypeError, ValueError):
        return kwargs.get("mode")


def _routing(monitor: Callable[..., Any]) -> Callable[..., Any]:
    """monitor_status, but an auto_label runner first asks whether the run is ours."""

    @functools.wraps(monitor)
    def monitor_status(*args: Any, **kwargs: Any) -> Any:
        decorate = monitor(*args, **kwargs)
        if _mode_of(monitor, args, kwargs) != MODE:
            return decorate
        return lambda runner: _routed(decorate, runner)

    return monitor_status


def _routed(decorate: Callable[..., Any], runner: Callable[..., Any]) -> Callable[..., Any]:
    """What `decorate` makes of the runner; of ours, where the run is ours."""
    theirs = decorate(runner)

    @functools.wraps(theirs)
    def run_experiment(*args: Any, **kwargs: Any) -> Any:
        cfg = args[0] if args else kwargs.get("cfg")

        def call(monitored: Callable[..., Any], shown: Any) -> Any:
            if args:
                return monitored(shown, *args[1:], **kwargs)
            return monitored(**{**kwargs, "cfg": shown})

        # Loaded only where it is needed: other types never load any of it.
        if getattr(cfg, "autolabel_type", None) == TYPE:
            from ._frame import run_in_frame

            return run_in_frame(decorate, cfg, _results_dir(cfg, args, kwargs), call)
        if not _mentions_our_block(sys.argv):
            return theirs(*args, **kwargs)
        from ._frame import saved_without_keys_of_ours

        with saved_without_keys_of_ours():
            return theirs(*args, **kwargs)

    return run_experiment


def _results_dir(cfg: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return str(kwargs.get("results_dir") or (args[1] if len(args) > 1 else None) or cfg.results_dir)
