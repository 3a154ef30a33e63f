"""The demo teacher as a process."""

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
