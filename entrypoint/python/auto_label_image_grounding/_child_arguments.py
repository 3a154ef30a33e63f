"""What the dispatcher's child was given on its command line: a spec, and overrides."""
from __future__ import annotations

import os
from typing import Any


def overrides_in(arguments: list[str]) -> list[str]:
    """What the dispatcher's child was given besides its spec."""
    return [text for option, text in zip(arguments, arguments[1:])
            if not option.startswith("--config-") and not text.startswith("--config-")]


def spec_path(arguments: list[str]) -> str | None:
    """The spec that the dispatcher's child was told to read, if any."""
    given = dict(zip(arguments, arguments[1:]))
    if "--config-path" not in given or "--config-name" not in given:
        return None
    return os.path.join(given["--config-path"], given["--config-name"])


def spec_given(arguments: list[str]) -> dict[str, Any] | None:
    """The spec as it is written; None if it cannot be read or is not a block."""
    import yaml  # Hydra and the dispatcher need it too

    try:
        spec = yaml.safe_load(spec_text(arguments))
    except yaml.YAMLError:
        return None
    return spec if isinstance(spec, dict) else None


def spec_text(arguments: list[str]) -> str:
    """Empty where it cannot be read, of which TAO will tell."""
    try:
        with open(spec_path(arguments) or "", encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
