"""Is this environment ready? Looks, and changes nothing; never shows a key."""
from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from . import _api
from ._common import TYPE, is_ours
from ._rehearsal import rehearse

_CONFIGS = ("nvidia_tao_ds.config.auto_label.default_config",
            "nvidia_tao_core.config.auto_label.default_config")
_DECORATORS = "nvidia_tao_ds.core.decorators"
_ENTRYPOINT = "nvidia_tao_ds.auto_label.entrypoint.auto_label"
_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
_PACKAGES = ("hydra-core", "omegaconf", "nvidia-tao-ds", "nvidia-tao-core")
# What the other interpreter is asked, which need not have our package at all.
_PROBE = ("import json, sys, importlib.util as u; print(json.dumps({'executable': sys.executable, "
          "'hook': '_auto_label_image_grounding_hook' in sys.modules, "
          "'package': u.find_spec('auto_label_image_grounding') is not None}))")


def examine() -> dict[str, Any]:
    findings: dict[str, Any] = {
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "versions": {name: _version(name) for name in ("auto_label_image_grounding", *_PACKAGES)},
        "native": _native(),
        "hook_here": "_auto_label_image_grounding_hook" in sys.modules,
        "python_on_path": _python_on_path(),
        "layout": _layout(),
        "gpus_visible": _gpus_visible(),
        "rehearsal": None,
        "keys_in_environment": {name: bool(os.environ.get(name)) for name in _KEYS},
    }
    findings["problems"] = _problems(findings)
    if findings["layout"]["nvidia_tao_ds"] and not findings["problems"]:
        findings["rehearsal"] = rehearsal = rehearse(findings["python_on_path"]["executable"])
        if not rehearsal["ok"]:
            findings["problems"].append("a rehearsal of `auto_label generate` failed: "
                                        + rehearsal["error"])
    findings["notes"] = _notes(findings)
    findings["ok"] = not findings["problems"]
    return findings


def to_text(findings: dict[str, Any]) -> str:
    native, path, layout = (findings[key] for key in ("native", "python_on_path", "layout"))
    keys = [name for name, is_set in findings["keys_in_environment"].items() if is_set]
    lines = [f"python            {findings['python']} ({findings['executable']})"]
    lines += [f"{name:<17} {number or 'not installed'}"
              for name, number in findings["versions"].items()]
    lines += [
        f"native module     {'loads' if native['loads'] else native['error']}",
        f"hook here         {_yes(findings['hook_here'])}",
        f"python on PATH    {path['executable'] or 'none'}, hook {_yes(path['hook'])}",
        f"TAO               {_describe(layout)}",
        f"rehearsal         {_describe_rehearsal(findings['rehearsal'])}",
        f"GPUs visible      {findings['gpus_visible']}",
        f"keys in env       {', '.join(keys) or 'none (needed for Gemini; others may need none)'}",
    ]
    lines += [f"NOTE: {note}" for note in findings["notes"]]
    lines += [f"PROBLEM: {problem}" for problem in findings["problems"]]
    return "\n".join(lines + ["ok" if findings["ok"] else "not ready"])


def _yes(active: bool) -> str:
    return "active" if active else "INACTIVE"


def _describe(layout: dict[str, Any]) -> str:
    if not layout["nvidia_tao_ds"]:
        return "no nvidia_tao_ds here: alig.run and the native program work without it"
    stock = "with" if layout["stock_type"] else "without"
    return (f"config in {layout['config'] or 'an unknown place'}, {stock} a stock {TYPE}; "
            f"ours: schema {_yes(layout['schema_ours'])}, runner {_yes(layout['runner_ours'])}")


def _describe_rehearsal(rehearsal: dict[str, Any] | None) -> str:
    if rehearsal is None:
        return "none"
    outcome = "passed" if rehearsal["ok"] else "FAILED"
    return f"{outcome} in {rehearsal['seconds']} s (one record, no request)"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _native() -> dict[str, Any]:
    try:
        native = _api.load_native()
    except OSError as error:
        return {"loads": False, "error": str(error), "version": None}
    return {"loads": True, "error": None, "version": native.version}


def _python_on_path() -> dict[str, Any]:
    """auto_label starts its child with the `python` that is first on PATH, whichever that is."""
    found: dict[str, Any] = {"executable": shutil.which("python"), "hook": False, "package": False}
    if found["executable"] is None:
        return found
    try:
        answer = subprocess.run([found["executable"], "-c", _PROBE], capture_output=True, text=True,
                                timeout=60, check=True, stdin=subprocess.DEVNULL, cwd=os.sep)
        found.update(json.loads(answer.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        found["error"] = str(error)
    return found


def _gpus_visible() -> int:
    """As the dispatcher counts them."""
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60,
                                stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return 0
    return answer.stdout.count("UUID") if answer.returncode == 0 else 0


def _layout() -> dict[str, Any]:
    layout: dict[str, Any] = {"nvidia_tao_ds": _exists("nvidia_tao_ds"), "config": None,
                              "stock_type": False, "schema_ours": False, "runner_ours": False,
                              "errors": []}
    if not layout["nvidia_tao_ds"]:
        return layout
    name = next((name for name in _CONFIGS if _exists(name)), None)
    layout["config"] = name
    config = getattr(_import(name, layout), "ExperimentConfig", None)
    if config is not None:
        layout["schema_ours"] = is_ours(config)
        bases = config.__mro__[1:] if layout["schema_ours"] else config.__mro__
        layout["stock_type"] = any(TYPE in getattr(base, "__dataclass_fields__", ())
                                   for base in bases)
    monitor = getattr(_import(_DECORATORS, layout), "monitor_status", None)
    layout["runner_ours"] = monitor is not None and is_ours(monitor)
    _import(_ENTRYPOINT, layout)
    layout["errors"] += _trouble_of_auto_label()
    return layout


def _trouble_of_auto_label() -> list[str]:
    program = shutil.which("auto_label")
    if program is None:
        return ["there is no `auto_label` on PATH"]
    try:
        answer = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=600,
                                stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        return [f"{program} cannot be started: {error}"]
    if answer.returncode == 0:
        return []
    return [f"`{program} --help` fails: {(answer.stderr.splitlines() or ['it printed nothing'])[-1]}"]


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _import(name: str | None, layout: dict[str, Any]) -> Any:
    try:
        return importlib.import_module(name) if name else None
    except Exception as error:  # whatever TAO's own imports raise is a finding
        layout["errors"].append(f"{name}: {type(error).__name__}: {error}")
        return None


def _notes(findings: dict[str, Any]) -> list[str]:
    if not findings["layout"]["nvidia_tao_ds"] or findings["gpus_visible"] > 0:
        return []
    return ["`nvidia-smi -L` shows no GPU: `auto_label` asserts one before it starts anything (in "
            "docker: --gpus all); the native program auto-label-image-grounding needs none"]


def _problems(findings: dict[str, Any]) -> list[str]:
    problems = []
    if not findings["native"]["loads"]:
        problems.append(findings["native"]["error"])
    layout = findings["layout"]
    if not layout["nvidia_tao_ds"]:
        return problems
    problems += layout["errors"]
    if not findings["hook_here"]:
        problems.append("the hook is not active in this Python: install with pip into its "
                        "site-packages (not --target, not PYTHONPATH) and run without -S")
    path = findings["python_on_path"]
    if not (path["hook"] and path["package"]):
        problems.append(f"`auto_label` would start {path['executable'] or 'no python at all'}, "
                        "which does not have the hook: put this environment first on PATH")
    if not layout["schema_ours"] or not layout["runner_ours"]:
        problems.append(f"this TAO is not as expected: autolabel_type={TYPE} would not run here")
    return problems
