"""The demo teacher as a process."""

import contextlib
import subprocess
from pathlib import Path

from support.project import TEACHER


class DemoTeacher:
    """A running demo teacher; `requests` counts what it has answered."""

    def __init__(self, folder: Path, *options: str, port: int = 0):
        self.log = folder / "requests.jsonl"
        self.log.touch()
        self.process = subprocess.Popen(
            [TEACHER, "--port", str(port), "--requests-log", self.log, *options],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def requests(self) -> int:
        return len(self.log.read_text().splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


@contextlib.contextmanager
def teachers_in(folder: Path):
    """A function that starts demo teachers, which all end here."""
    running = []

    def start(*options: str, port: int = 0) -> DemoTeacher:
        own = folder / f"teacher{len(running)}"
        own.mkdir()
        running.append(DemoTeacher(own, *options, port=port))
        return running[-1]

    try:
        yield start
    finally:
        for teacher in running:
            teacher.stop()
