"""Stopping while things go wrong: soon, and without losing what is paid for."""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

import faults
import pytest
from faults import Fault, status
from labelling import heals
from support.project import wait_until


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
    # The first questions are turned away; then all wait, and nothing is in flight.
    wait_until(lambda: len(endpoint.faults) >= 2 and endpoint.open_requests == 0)
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


# --- The process that started a run ends ---

PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""
# Ends with the status of the native program.
RUN = """
import json, logging, sys, threading
import auto_label_image_grounding as alig
logging.basicConfig()
codes = []
def run():
    try:
        alig.run(json.loads(sys.argv[1]))
        codes.append(0)
    except KeyboardInterrupt as interrupt:
        codes.append(143 if "ended" in str(interrupt) else 130)
if sys.argv[2] == "python":
    run()
else:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
sys.exit(codes[0])
"""
WAYS = ["program", "python"]
PR_SET_CHILD_SUBREAPER = 36


class Family:
    """A run and the process that started it; this process inherits the run, and so its status."""

    def __init__(self, command, environment, log):
        self.log, self.status = log, None
        with log.open("w") as errors:
            self.parent = subprocess.Popen([sys.executable, "-c", PARENT, *command], text=True,
                                           stdout=subprocess.PIPE, stderr=errors, env=environment)
        self.run = int(self.parent.stdout.readline())

    def end_parent(self):
        self.parent.kill()
        self.parent.wait()
        self.parent.stdout.close()

    def says(self, text):
        return text in self.log.read_text()

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.run, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def close(self):
        self.end_parent()
        if not self.has_ended():
            os.kill(self.run, signal.SIGKILL)
            os.waitpid(self.run, 0)


@pytest.fixture
def orphans():
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def start_family(tmp_path, orphans, request):
    running = []

    def begin(job, way, prefix=()):
        command, extra = job.command(), {}
        if way != "program":
            command = [sys.executable, "-c", RUN, json.dumps(job.as_dict()), way]
            extra = {"PYTHONPATH": str(request.getfixturevalue("package"))}
        running.append(Family([*prefix, *command], job.environment(**extra),
                              tmp_path / "stderr.txt"))
        return running[-1]

    yield begin
    for family in running:
        family.close()


@pytest.mark.parametrize("way", [*WAYS, "thread"])
def test_end_of_the_parent_stops_a_run(way, start_family, make_job, endpoint, data, undisturbed):
    released = threading.Event()

    async def hold(exchange):
        await asyncio.to_thread(released.wait, timeout=20)
        await exchange.answer()

    endpoint.script = lambda request: Fault("held", hold)
    job = make_job()
    family = start_family(job, way)
    wait_until(lambda: endpoint.open_requests == 4)
    family.end_parent()
    wait_until(lambda: family.says("waiting up to 10 s for 4 in flight"))
    released.set()
    wait_until(family.has_ended)
    assert family.status == 143
    assert family.log.read_text().count("start it with nohup to let it go on") == 1
    assert len(endpoint.requests) == 4
    assert job.summary()["status"] == "interrupted"
    heals(job, endpoint, undisturbed, missing=data.needed - 4)


@pytest.mark.parametrize("way", WAYS)
def test_end_of_the_parent_after_ctrl_c_is_no_second_signal(way, start_family, make_job, endpoint,
                                                            data, undisturbed):
    endpoint.latency = 1.5  # the run looks at its parent many times in it
    job = make_job()
    family = start_family(job, way)
    wait_until(lambda: endpoint.open_requests == 4)
    os.kill(family.run, signal.SIGINT)
    family.end_parent()
    wait_until(family.has_ended)
    assert family.status == 130
    assert not family.says("nohup")
    heals(job, endpoint, undisturbed, missing=data.needed - 4)


@pytest.mark.parametrize("way", WAYS)
def test_signal_after_the_end_of_the_parent_stops_at_once(way, start_family, make_job, endpoint,
                                                          data, undisturbed):
    endpoint.script = lambda request: faults.SILENCE
    job = make_job()
    family = start_family(job, way)
    wait_until(lambda: endpoint.open_requests == 4)
    family.end_parent()
    wait_until(lambda: family.says("waiting up to 10 s for 4 in flight"))
    begun = time.monotonic()
    os.kill(family.run, signal.SIGTERM)
    wait_until(family.has_ended)
    assert family.status == 143
    assert time.monotonic() - begun < 5
    heals(job, endpoint, undisturbed, missing=data.needed)


@pytest.mark.parametrize("way", WAYS)
def test_nohup_outlives_its_parent(way, start_family, make_job, endpoint, data, undisturbed):
    endpoint.latency = 0.3  # long enough in all for the run to look many times
    job = make_job()
    family = start_family(job, way, prefix=["nohup"])
    wait_until(lambda: endpoint.open_requests == 4)
    family.end_parent()
    wait_until(family.has_ended)
    assert family.status == 0, family.log.read_text()
    assert len(endpoint.requests) == data.needed
    assert job.outputs() == undisturbed
