"""The TAO inference microservice: NVIDIA's own server, from nvidia-tao-core."""

import json
import urllib.error
import urllib.request

import pytest
from checks import labels_all
from servers import Microservice
from support.project import wait_until

# An environment that is shared with the tests of the dispatcher.
pytestmark = pytest.mark.xdist_group("7.3.0")

LOADS_FOR = 8  # seconds
MODEL_LOADING = {"error": {"message": "Model is currently loading, please wait", "type": "model_loading"}}


@pytest.fixture
def start_service(tmp_path, teacher):
    running = []

    def start(**options):
        folder = tmp_path / "service"
        folder.mkdir()
        running.append(Microservice(folder, teacher.url, **options))
        return running[-1]

    yield start
    for service in running:
        service.kill()


def status_of(url, body=None):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_records_wait_until_the_model_is_loaded(start_service, make_job, half_the_data, teacher):
    service = start_service(loads_for=LOADS_FOR)
    url = service.url + "/v1/chat/completions"
    wait_until(lambda: status_of(url, b'{"messages": []}') == (202, MODEL_LOADING), LOADS_FOR / 2)
    requests = labels_all(make_job(service, half_the_data))
    assert teacher.requests == half_the_data.needed
    assert requests["sent"] <= half_the_data.needed + 20


def test_no_list_of_models_and_no_usage(start_service, make_job, half_the_data, teacher):
    service = start_service()
    assert status_of(service.url + "/v1/models")[0] == 404, "NVIDIA's server has changed"
    job = make_job(service, half_the_data)
    assert labels_all(job)["sent"] >= teacher.requests == half_the_data.needed
    assert job.summary()["tokens"]["input"] == 0


def test_a_model_that_cannot_be_loaded_ends_the_run(start_service, make_job):
    service = start_service(fails="CUDA out of memory")
    done = make_job(service, vlm__startup_patience=5).run(timeout=100)
    assert done.returncode == 1
    assert "Model failed to load: CUDA out of memory" in done.stderr, done.stderr
