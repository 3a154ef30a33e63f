"""Virtual environments, one a layout, each with our wheel and a stand-in of TAO.

ALIG_WHEEL names a built wheel; without it one is built. ALIG_TEST_WHEELHOUSE names a folder with
hydra-core and omegaconf, for machines without an index.
"""
from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from standin import generator  # noqa: E402
from teacher import Teacher, png  # noqa: E402

ROOT = next(path for path in Path(__file__).parents if (path / "pyproject.toml").exists())
REQUIREMENTS = ("hydra-core==1.3.2", "omegaconf==2.3.0")
RECORDS = 3
SECONDS = 60  # the longest that any one process may take


@dataclasses.dataclass
class Environment:
    """A virtual environment; its bin folder is first on PATH, as in the container."""

    folder: Path
    layout: generator.Layout | None = None

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def site_packages(self) -> Path:
        return next((self.folder / "lib").glob("python3*")) / "site-packages"

    def variables(self, **extra: str) -> dict[str, str]:
        drop = ("PYTHON", "GOOGLE_API", "GEMINI_API", "OPENAI_API", "HYDRA", "WORLD_SIZE", "RANK")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", **extra}

    def run(self, *command: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        return subprocess.run([str(self.bin / program), *arguments], cwd=cwd, text=True,
                              env=self.variables(**extra), capture_output=True, timeout=SECONDS)

    def start(self, *command: str, cwd: Path, **extra: str) -> subprocess.Popen[str]:
        program, *arguments = command
        return subprocess.Popen([str(self.bin / program), *arguments], cwd=cwd, text=True,
                                env=self.variables(**extra), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def copy(self, folder: Path) -> Environment:
        """Programs name their interpreter in the first line: those of the copy name the copy's."""
        shutil.copytree(self.folder, folder, symlinks=True)
        old, new = str(self.folder).encode(), str(folder).encode()
        for program in (folder / "bin").iterdir():
            if program.is_file() and not program.is_symlink():
                content = program.read_bytes()
                if content.startswith(b"#!" + old):
                    program.write_bytes(content.replace(old, new))
        return Environment(folder, self.layout)


def _wheel(folder: Path) -> str:
    if os.environ.get("ALIG_WHEEL"):
        return os.environ["ALIG_WHEEL"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", str(ROOT), "-w", str(folder),
                    "--no-deps"], check=True)
    return str(next(folder.glob("*.whl")))


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Environment:
    """hydra-core and omegaconf, without us."""
    environment = Environment(tmp_path_factory.mktemp("bare") / "venv")
    subprocess.run([sys.executable, "-m", "venv", str(environment.folder)], check=True)
    house = os.environ.get("ALIG_TEST_WHEELHOUSE")
    source = ["--no-index", "--find-links", house] if house else []
    subprocess.run([environment.bin / "python", "-m", "pip", "install", "-q", *source,
                    *REQUIREMENTS], check=True)
    return environment


@pytest.fixture(scope="session")
def base(bare, tmp_path_factory) -> Environment:
    environment = bare.copy(tmp_path_factory.mktemp("base") / "venv")
    wheel = _wheel(tmp_path_factory.mktemp("wheel"))
    subprocess.run([environment.bin / "python", "-m", "pip", "install", "-q", "--no-index",
                    "--no-deps", wheel], check=True)
    return environment


@pytest.fixture(scope="session")
def install_layout(base, tmp_path_factory):
    made: dict[str, Environment] = {}

    def install(name: str) -> Environment:
        if name not in made:
            environment = base.copy(tmp_path_factory.mktemp(f"layout_{name}") / "venv")
            environment.layout = generator.LAYOUTS[name]
            generator.install(environment.layout, environment.site_packages, environment.bin)
            made[name] = environment
        return made[name]

    return install


@pytest.fixture(params=sorted(generator.LAYOUTS))
def tao(request, install_layout) -> Environment:
    return install_layout(request.param)


@pytest.fixture
def tao_a(install_layout) -> Environment:
    """The target container's layout."""
    return install_layout("A")


@pytest.fixture
def teacher():
    teacher = Teacher()
    yield teacher
    teacher.close()


@dataclasses.dataclass
class Job:
    """A folder with pictures, the input and a spec; results go below it."""

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
        return read_lines(self.results / "annotations.jsonl")

    def status(self) -> list[dict]:
        return read_lines(self.results / "status.json")


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def job(tmp_path, teacher) -> Job:
    lines = []
    for number in range(RECORDS):
        (tmp_path / f"{number}.png").write_bytes(png())
        lines.append(json.dumps({"image_path": f"{number}.png",
                                 "caption": f"A red ball {number} lies here."}))
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Job(tmp_path, teacher)
