"""Runs of the real `auto_label` with our wheel, what they wrote, and how they must have ended."""
from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

from environments import Environment
from support.project import read_jsonl
from teacher import Teacher

RECORDS = 3
KEY = "a-Secret.Key_0123456789"
KEY_OVERRIDE = f"image_grounding.vlm.openai.api_key={KEY}"


@dataclasses.dataclass
class Job:
    """A folder with images, the input and a spec; results go below it."""

    folder: Path
    teacher: Teacher

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def spec(self, **top: object) -> dict:
        return {
            "autolabel_type": "image_grounding", "results_dir": str(self.results), **top,
            "image_grounding": {
                "vlm": {"backend": "openai", "coordinates": "pixel", "max_retries": 0,
                        "openai": {"base_url": self.teacher.base_url, "model_name": "stand-in"}},
                "data": {"input_jsonl": str(self.folder / "in.jsonl"),
                         "image_root": str(self.folder)}}}

    def write_spec(self, **top: object) -> Path:
        path = self.folder / "spec.yaml"
        path.write_text(json.dumps(self.spec(**top)), encoding="utf-8")
        return path

    def annotations(self) -> list[dict]:
        return read_jsonl(self.results / "annotations.jsonl")

    def status(self) -> list[dict]:
        return read_jsonl(self.results / "status.json")


def generate(tao: Environment, job: Job, *overrides: str, env: dict[str, str] | None = None,
             **top: object) -> subprocess.CompletedProcess[str]:
    """`auto_label generate` on the job's spec; `top`: keys at the spec's top."""
    return tao.run("auto_label", "generate", "-e", str(job.write_spec(**top)),
                   f"results_dir={job.results}", *overrides, cwd=job.folder, **(env or {}))


def run_child(tao: Environment, job: Job, *overrides: str, spec: str | None = None,
              fails: bool = False,
              env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """What `auto_label generate` starts, without it: the same run, in half the time.

    spec: a file in the job's folder, instead of the job's own. fails: how it is to end.
    """
    path = job.folder / spec if spec else job.write_spec()
    done = tao.run("python", "-m", "nvidia_tao_ds.auto_label.scripts.generate",
                   "--config-path", str(path.parent), "--config-name", path.name,
                   f"results_dir={job.results}", *overrides, cwd=job.folder,
                   **{"TAO_VISIBLE_DEVICES": "0", **(env or {})})
    assert done.returncode == fails, done.stdout + done.stderr
    return done


def check_hidden(job: Job, done: subprocess.CompletedProcess[str]) -> None:
    """KEY is in no line of output and no file."""
    assert KEY not in done.stdout + done.stderr, done.stdout + done.stderr
    for path in job.results.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def check_passed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0 and "Execution status: PASS" in done.stdout, (
        done.stdout + done.stderr)


def check_failed(tao: Environment, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == tao.layout.failed_exit, done.stdout + done.stderr
    assert "Execution status: FAIL" in done.stdout
