"""The native program against an endpoint that misbehaves: shared datasets, endpoints and runs."""

import os
import subprocess
import sys

import pytest
from labelling import Job, make_data
from support.faulty_endpoint import FaultyEndpoint
from support.project import ROOT


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Six images with two captions each."""
    return make_data(tmp_path_factory.mktemp("data") / "small", images=6, captions_each=2)


@pytest.fixture(scope="session")
def undisturbed(data, tmp_path_factory):
    """The output files of a run that met no fault."""
    with FaultyEndpoint() as endpoint:
        job = Job(tmp_path_factory.mktemp("undisturbed"), data, endpoint)
        done = job.run()
        assert done.returncode == 0, done.stderr
        assert len(endpoint.requests) == data.needed
    return job.outputs()


@pytest.fixture
def endpoint():
    with FaultyEndpoint() as running:
        yield running


@pytest.fixture
def make_job(data, endpoint, tmp_path):
    def make(backend="openai", **settings):
        return Job(tmp_path / "job", data, endpoint, backend, **settings)
    return make


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A folder for PYTHONPATH with the Python package: from ALIG_WHEEL, else built here."""
    folder = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = os.environ.get("ALIG_WHEEL")
    if not wheel:
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
        wheel = next(folder.glob("*.whl"))
    subprocess.run([*pip, "install", "--no-index", "--no-deps", "--target", folder, wheel],
                   check=True)
    return folder
