"""What the modules of this package have in common; imports none of them.

Loaded in every interpreter of an environment with TAO that imports its dispatcher: it must stay small.
"""
from __future__ import annotations

import os
import sys
from typing import Any

TYPE = "image_grounding"
MODE = "Auto-label"
# The parent process, recorded as early as possible: it may die before a run begins.
PROCESS, PARENT = os.getpid(), os.getppid()
MARK = "_auto_label_image_grounding"


def other_blocks() -> set[str]:
    """The names of the dispatcher's other types, which their own code looks after."""
    names = {field for module in list(sys.modules.values())
             for field in getattr(getattr(module, "ExperimentConfig", None),
                                  "__dataclass_fields__", ())
             if getattr(module, "__name__", "").endswith(".auto_label.default_config")}
    return names - {TYPE}


def is_ours(thing: Any) -> bool:
    return MARK in vars(thing) if hasattr(thing, "__dict__") else False


def mark(thing: Any) -> Any:
    setattr(thing, MARK, True)
    return thing
