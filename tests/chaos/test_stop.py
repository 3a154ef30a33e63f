"""Stopping while things go wrong: soon, and without losing what is paid for."""

import signal
import time

import faults
import pytest
from faults import status
from labelling import heals, wait_until


@pytest.fixture
def start(tmp_path):
    """Starts a job; what it says goes to a file, so that no pipe fills up."""
    running = []

    def begin(job):
        log = (tmp_path / "stderr.txt").open("w")
        running.append((job.start(log), log))
        return running[-1][0]

    yield begin
    for process, log in running:
        process.kill()
        process.wait()
        log.close()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_while_all_wait_for_an_hour(number, code, start, make_job, endpoint, data, undisturbed):
    endpoint.script = lambda request: status(429, headers=[("Retry-After", "3600")])
    job = make_job()
    process = start(job)
    # Each question is turned away once; then all wait, and nothing is in flight.
    wait_until(lambda: len(endpoint.faults) == data.records)
    process.send_signal(number)
    assert process.wait(timeout=5) == code
    heals(job, endpoint, undisturbed, missing=data.needed)


def test_answers_in_flight_are_kept(start, make_job, endpoint, data, undisturbed):
    endpoint.latency = 0.5
    job = make_job()
    process = start(job)
    wait_until(lambda: endpoint.open_requests == 4)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=8) == 130
    assert len(endpoint.answered) == 4
    heals(job, endpoint, undisturbed, missing=data.needed - 4)


def test_silence_is_waited_for_ten_seconds_at_most(start, make_job, endpoint, data, undisturbed):
    endpoint.script = lambda request: faults.SILENCE
    job = make_job()
    process = start(job)
    wait_until(lambda: endpoint.open_requests == 4)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert 9 < time.monotonic() - begun < 12
    heals(job, endpoint, undisturbed, missing=data.needed)


def test_second_signal_stops_at_once(start, make_job, endpoint, data, undisturbed):
    endpoint.script = lambda request: faults.SILENCE
    job = make_job()
    process = start(job)
    wait_until(lambda: endpoint.open_requests == 4)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "waiting" in (job.results.parent.parent / "stderr.txt").read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=5) == 130
    heals(job, endpoint, undisturbed, missing=data.needed)


def test_silence_does_not_hold_up_a_run_that_failed(make_job, endpoint, data, undisturbed):
    """One in flight says that the quota is used up, the others say nothing for ever."""
    quota = status(429, faults.openai_error("no credit", code="insufficient_quota"))
    endpoint.script = lambda request: quota if request.number == 4 else faults.SILENCE
    job = make_job()
    begun = time.monotonic()
    done = job.run()
    assert done.returncode == 1 and "no credit" in done.stderr
    assert time.monotonic() - begun < 15
    assert job.summary()["status"] == "failed"
    heals(job, endpoint, undisturbed, missing=data.needed)


def test_limit_on_requests(make_job, endpoint, data, undisturbed):
    job = make_job(workflow__max_requests=7)
    done = job.run()
    assert done.returncode == 1 and "max_requests" in done.stderr
    assert len(endpoint.requests) == 7
    del job.settings["workflow__max_requests"]
    heals(job, endpoint, undisturbed, missing=data.needed - 7)
