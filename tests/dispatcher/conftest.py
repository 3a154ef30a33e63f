"""The real `auto_label` with our wheel, in each layout that PyPI offers.

ALIG_WHEEL names a built wheel; without it one is built.
"""
from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from environments import LAYOUTS, Environment, Environments, Layout  # noqa: E402
from teacher import Teacher, png  # noqa: E402

ROOT = next(path for path in Path(__file__).parents if (path / "pyproject.toml").exists())
RECORDS = 3
# The container's layout, and the newest one: what need not be tried in each is tried there.
LONG = ("6.26.3", "7.3.0")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> str:
    if os.environ.get("ALIG_WHEEL"):
        return os.environ["ALIG_WHEEL"]
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", str(ROOT), "-w", str(folder),
                    "--no-deps"], check=True)
    return str(next(folder.glob("*.whl")))


@pytest.fixture(scope="session")
def environments() -> Environments:
    return Environments(ROOT / "build" / "tao")


@pytest.fixture(scope="session")
def bare(environments) -> Environment:
    """hydra-core and omegaconf, without us; with a .pth file, for which Python itself imports some."""
    environment = environments.plain()
    (environment.site_packages / "inert.pth").write_text("import sys\n")
    return environment


@pytest.fixture(scope="session")
def base(bare, wheel, tmp_path_factory) -> Environment:
    """hydra-core, omegaconf and us; no TAO."""
    environment = bare.copy(tmp_path_factory.mktemp("base") / "venv")
    environment.install(wheel)
    return environment


@pytest.fixture(scope="session")
def install_layout(environments, wheel):
    made: dict[str, Environment] = {}

    def install(layout: Layout) -> Environment:
        if layout.name not in made:
            environment = environments.tao(layout)
            environment.install(wheel)
            made[layout.name] = environment
        return made[layout.name]

    return install


# One worker a layout, where there are several: what is known of it without us is asked for once.
@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in LAYOUTS])
def tao(request, install_layout) -> Environment:
    """Each layout."""
    return install_layout(LAYOUTS[request.param])


@pytest.fixture(params=LONG)
def long_tao(request, install_layout) -> Environment:
    return install_layout(LAYOUTS[request.param])


@pytest.fixture
def tao_a(install_layout) -> Environment:
    """The target container's layout."""
    return install_layout(LAYOUTS["6.26.3"])


@pytest.fixture
def tao_d(install_layout) -> Environment:
    """The newest."""
    return install_layout(LAYOUTS["7.3.0"])


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


KEY = "a-Secret.Key_0123456789"
KEY_OVERRIDE = f"image_grounding.vlm.openai.api_key={KEY}"


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


@pytest.fixture
def job(tmp_path, teacher) -> Job:
    lines = []
    for number in range(RECORDS):
        (tmp_path / f"{number}.png").write_bytes(png())
        lines.append(json.dumps({"image_path": f"{number}.png",
                                 "caption": f"A red ball {number} lies here."}))
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Job(tmp_path, teacher)
