"""A run of TAO's own child process with one record that needs no request: Hydra, frame, status.json."""
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from ._common import TYPE
from ._lifetime import terminates_as_interrupt

_SCRIPT = "nvidia_tao_ds.auto_label.scripts.generate"
_SECONDS = 600  # the container's own imports take the most of it
# What would make the frame report to a server, or the process one rank of several.
_NOT_HANDED_ON = ("CLOUD_BASED", "JOB_ID", "TORCHELASTIC_RUN_ID")


def rehearse(python: str) -> dict[str, Any]:
    """python: the interpreter that the dispatcher would start. {"ok", "seconds", "error"}."""
    begin = time.monotonic()
    # SIGTERM as an interrupt: the child is killed and the folder removed.
    with terminates_as_interrupt(), tempfile.TemporaryDirectory(prefix="alig-doctor-") as folder:
        try:
            error = _error_of(python, Path(folder))
        except (OSError, ValueError, LookupError, ImportError, subprocess.SubprocessError) as raised:
            error = f"{type(raised).__name__}: {raised}"
    return {"ok": error is None, "seconds": round(time.monotonic() - begin, 1), "error": error}


def _error_of(python: str, folder: Path) -> str | None:
    script = importlib.util.find_spec(_SCRIPT)
    if script is None or script.origin is None:
        return f"there is no {_SCRIPT}"
    results = folder / "results"
    _write_spec(folder, results)
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_HANDED_ON}
    done = subprocess.run(
        [python, script.origin, "--config-path", str(folder), "--config-name", "rehearsal.yaml"],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=_SECONDS)
    if done.returncode != 0:
        return f"exit status {done.returncode}: {_last_words(done.stdout)}"
    status = results / "status.json"
    if not status.exists():
        return f"no status.json was written: {_last_words(done.stdout)}"
    last = json.loads(status.read_text(encoding="utf-8").splitlines()[-1])
    if last.get("status") == "FAILURE" or last.get("kpi", {}).get("records") != 1:
        return f"the last record of status.json is not that of a good run with its KPIs: {last}"
    if not (results / "annotations.jsonl").exists():
        return "no annotations.jsonl was written"
    return None


def _write_spec(folder: Path, results: Path) -> None:
    """One record without a caption: it is finished without sending a request."""
    (folder / "in.jsonl").write_text('{"image_path": "none.png", "caption": ""}\n')
    spec = {"autolabel_type": TYPE, "results_dir": str(results), TYPE: {
        "vlm": {"backend": "openai",
                "openai": {"base_url": "http://127.0.0.1:9/v1", "model_name": "nobody"}},
        "data": {"input_jsonl": str(folder / "in.jsonl"), "on_missing_image": "text_only"}}}
    (folder / "rehearsal.yaml").write_text(json.dumps(spec))


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-6:]) or "it printed nothing"
