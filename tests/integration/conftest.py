"""The native program against the demo teacher, over real sockets."""

import json
import os
import subprocess
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


class Teacher:
    """A running demo teacher; `requests` counts what it has answered."""

    def __init__(self, folder: Path, *options: str):
        self.log = folder / "requests.jsonl"
        self.log.touch()
        self.process = subprocess.Popen(
            [TEACHER, "--port", "0", "--requests-log", self.log, *options],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    @property
    def requests(self) -> int:
        return len(self.log.read_text().splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture
def start_teacher(tmp_path):
    running = []

    def start(*options):
        folder = tmp_path / f"teacher{len(running)}"
        folder.mkdir()
        running.append(Teacher(folder, *options))
        return running[-1]

    yield start
    for teacher in running:
        teacher.stop()


@pytest.fixture
def teacher(start_teacher):
    return start_teacher()


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    subprocess.run([SCENES, "generate", "--out", folder, "--count", "60", "--seed", "7"], check=True)
    return folder


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("results_dir: ???\nautolabel_type: image_grounding\n")
    return path


def overrides(results, data, url, backend="openai", **extra):
    """Command line for one run; keyword `a__b=1` means image_grounding.a.b=1."""
    out = [f"results_dir={results}", f"image_grounding.vlm.backend={backend}",
           f"image_grounding.data.input_jsonl={data}/captions.jsonl",
           f"image_grounding.data.image_root={data}",
           f"image_grounding.vlm.openai.base_url={url}/v1",
           "image_grounding.vlm.openai.model_name=demo-teacher",
           f"image_grounding.vlm.gemini.base_url={url}", "image_grounding.vlm.gemini.model=gemini-demo"]
    return out + [f"image_grounding.{key.replace('__', '.')}={value}" for key, value in extra.items()]


def environment(**extra):
    clean = {key: value for key, value in os.environ.items() if not key.endswith("API_KEY")}
    return clean | {"GOOGLE_API_KEY": "test-key-1234"} | extra


def command(spec, arguments):
    return [PROGRAM, "generate", "-e", spec, *arguments]


def run(spec, arguments, **extra_environment):
    return subprocess.run(command(spec, arguments), capture_output=True, text=True, timeout=300,
                          env=environment(**extra_environment))


def start(spec, arguments):
    return subprocess.Popen(command(spec, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=environment())


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def records(results):
    return [json.loads(line) for line in (Path(results) / "annotations.jsonl").read_text().splitlines()]


def summary(results):
    return json.loads((Path(results) / "summary.json").read_text())


def score(results, truth):
    """What `evaluate` says; a false span, a missing record or another order fails here."""
    done = subprocess.run([PROGRAM, "evaluate", "--pred", Path(results) / "annotations.jsonl",
                           "--truth", truth, "--json", "--strict"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
