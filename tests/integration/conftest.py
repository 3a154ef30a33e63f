"""The native program against the demo teacher, over real sockets."""

import subprocess
from pathlib import Path

import pytest
from support.project import SCENES, TEACHER


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
