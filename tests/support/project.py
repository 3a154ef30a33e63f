"""Where the project and what was built of it are, and what tests need of files and time."""

import json
import os
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release"
PROGRAM = Path(os.environ.get("ALIG_PROGRAM", RELEASE / "entrypoint/cli/auto-label-image-grounding"))
TEACHER = Path(os.environ.get("ALIG_TEACHER", RELEASE / "demo/teacher/demo-teacher"))
SCENES = Path(os.environ.get("ALIG_SCENES", RELEASE / "demo/scenes/demo-scenes"))

# Photographs that are no part of the project: tests that use them are skipped without the variable.
SHARED_DATA = Path(os.environ.get("ALIG_SHARED_DATA", ""))
needs_shared_data = pytest.mark.skipif("ALIG_SHARED_DATA" not in os.environ,
                                       reason="ALIG_SHARED_DATA is not set")


def read_jsonl(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)
