"""Runs that are ended from outside."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import RECORDS, check_passed, generate

SECONDS = 120


def start(environment, job, **top):
    return environment.start("auto_label", "generate", "-e", str(job.write_spec(**top)),
                             f"results_dir={job.results}", cwd=job.folder)


def workers(job):
    """Processes that run generate.py on this job's spec."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if entry.name.isdigit() and str(job.folder).encode() in words and any(
                word.endswith(b"generate.py") for word in words) and b"torchrun" not in words[1]:
            found.append(int(entry.name))
    return found


def wait_until(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.mark.parametrize("gpus", [1, 2])
def test_the_child_ends_when_its_parent_is_terminated(long_tao, job, gpus):
    check_child_ends(long_tao, job, signal.SIGTERM, num_gpus=gpus)
    # What was in flight was kept: the next run asks only for the rest.
    assert job.teacher.questions <= RECORDS
    job.teacher.arrived.clear()
    check_passed(generate(long_tao, job))
    assert job.teacher.questions == 2 * RECORDS


def test_the_child_ends_when_its_parent_is_killed(tao, job):
    check_child_ends(tao, job, signal.SIGKILL)


def test_the_child_of_a_parent_that_is_killed_at_once_asks_nothing(long_tao, job):
    """It may be there before Python has read a line of ours."""
    parent = start(long_tao, job)
    wait_until(lambda: workers(job), "no child")
    parent.kill()
    parent.wait(SECONDS)
    parent.stdout.close()
    wait_until(lambda: not workers(job), "the child is still there")
    assert job.teacher.questions == 0 and "image_grounding: stopped" in job.status()[-1]["message"]


def check_child_ends(environment, job, number, **top):
    job.teacher.hold()
    parent = start(environment, job, **top)
    assert job.teacher.arrived.wait(SECONDS)
    assert workers(job)
    parent.send_signal(number)
    parent.wait(SECONDS)
    job.teacher.release()  # what is in flight may finish
    wait_until(lambda: not workers(job), "the child is still there")
    parent.stdout.close()
    assert not (job.results / "annotations.jsonl").exists()
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "image_grounding: stopped" in last["message"]


def start_and_signal_child(environment, job, number):
    """The parent of a run whose child got the signal while its first request was in flight."""
    job.teacher.hold()
    parent = start(environment, job)
    assert job.teacher.arrived.wait(SECONDS)
    for child in workers(job):
        os.kill(child, number)
    return parent


def test_ctrl_c_at_the_terminal(tao, job):
    """It reaches parent and child alike. The parent says PASS, as it does for its own types."""
    parent = start_and_signal_child(tao, job, signal.SIGINT)
    parent.send_signal(signal.SIGINT)
    job.teacher.release()
    out, _ = parent.communicate(timeout=SECONDS)
    wait_until(lambda: not workers(job), "the child is still there")
    assert "Execution status: PASS" in out and parent.returncode == 0, out
    assert not (job.results / "annotations.jsonl").exists()
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "interrupt" in last["message"]


def test_a_terminated_child_does_not_pass_for_a_good_one(tao, job):
    parent = start_and_signal_child(tao, job, signal.SIGTERM)
    job.teacher.release()
    out, _ = parent.communicate(timeout=SECONDS)
    assert "Execution status: FAIL" in out
    assert parent.returncode == tao.layout.failed_exit
    assert job.status()[-1]["status"] == "FAILURE"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_alig_run_raises_keyboard_interrupt(base, job, number):
    job.teacher.hold()
    code = ("import json, sys, auto_label_image_grounding as alig\n"
            "try:\n    alig.run(sys.argv[1])\n"
            "except KeyboardInterrupt:\n    print('interrupted')\n")
    process = base.start("python", "-c", code, str(job.write_spec()), cwd=job.folder)
    assert job.teacher.arrived.wait(SECONDS)
    process.send_signal(number)
    job.teacher.release()  # what is in flight may finish
    out, _ = process.communicate(timeout=SECONDS)
    assert out.strip().endswith("interrupted"), out
    assert process.returncode == 0


def test_a_reader_that_goes_away_does_not_end_a_run(tao_a, job):
    read, write = os.pipe()
    child = subprocess.Popen(
        [str(tao_a.bin / "python"), "-m", "nvidia_tao_ds.auto_label.scripts.generate",
         "--config-path", str(job.folder), "--config-name", job.write_spec().name],
        cwd=job.folder, env=tao_a.variables(), stdout=write, stderr=subprocess.DEVNULL)
    os.close(read)
    os.close(write)
    assert child.wait(SECONDS) == 0
    assert len(job.annotations()) == RECORDS
