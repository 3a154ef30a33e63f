"""Grounded annotations from (image, caption) pairs, with a vision-language model as teacher.

    import auto_label_image_grounding as alig
    summary = alig.run("spec.yaml", results_dir="results")

Inside a TAO container the same pipeline answers to `auto_label generate` with
`autolabel_type: image_grounding`.
"""
from __future__ import annotations

from ._api import NativeModuleError, default_specs, dry_run, evaluate, run
from ._reports import DryRun, Evaluation, Progress, Summary

__all__ = ["DryRun", "Evaluation", "NativeModuleError", "Progress", "Summary", "__version__",
           "default_specs", "dry_run", "evaluate", "run"]


def __getattr__(name: str) -> str:
    if name == "__version__":  # on demand: importlib.metadata takes longer than all the rest
        from importlib.metadata import version

        return version("auto_label_image_grounding")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
