"""The real `auto_label` with our wheel, in each layout that PyPI offers.

ALIG_WHEEL names a built wheel; without it one is built.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from environments import LAYOUTS, Environment, Environments, Layout
from runs import RECORDS, Job
from support.images import png
from support.project import ROOT
from teacher import Teacher

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
    with Teacher() as running:
        yield running


@pytest.fixture
def job(tmp_path, teacher) -> Job:
    lines = []
    for number in range(RECORDS):
        (tmp_path / f"{number}.png").write_bytes(png(100, 80))
        lines.append(json.dumps({"image_path": f"{number}.png",
                                 "caption": f"A red ball {number} lies here."}))
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Job(tmp_path, teacher)
