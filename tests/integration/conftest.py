"""The native program against the demo teacher, over real sockets."""

import subprocess

import pytest
from support.demo_teacher import teachers_in
from support.project import SCENES


@pytest.fixture
def start_teacher(tmp_path):
    with teachers_in(tmp_path) as start:
        yield start


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
