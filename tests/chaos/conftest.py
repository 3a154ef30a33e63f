"""The native program against an endpoint that misbehaves: shared datasets, endpoints and runs."""

import pytest

from faulty_endpoint import FaultyEndpoint
from labelling import Job, make_data


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Six pictures with two captions each."""
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
