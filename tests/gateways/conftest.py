"""The native program against real gateways, with the demo teacher behind them."""

import pytest
from chaos.labelling import Job, make_data
from support.demo_teacher import teachers_in

MODEL = "demo-teacher"


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """200 records, four an image."""
    return make_data(tmp_path_factory.mktemp("data") / "200", images=50, captions_each=4)


@pytest.fixture(scope="session")
def half_the_data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "100", images=25, captions_each=4)


@pytest.fixture
def start_teacher(tmp_path):
    with teachers_in(tmp_path) as start:
        yield start


@pytest.fixture
def teacher(start_teacher):
    return start_teacher()


@pytest.fixture
def make_job(data, tmp_path):
    def make(gateway, records=data, **settings):
        return Job(tmp_path / "job", records, gateway, vlm__coordinates="auto",
                   **{"vlm__openai__model_name": MODEL} | settings)
    return make
