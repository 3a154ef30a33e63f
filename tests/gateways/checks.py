"""Runs beside which something happens to the gateway, and how they must have ended."""

import subprocess
import threading

from support.project import wait_until

LONGEST = 200  # seconds that a run may take, on a busy machine


def labels_all(job, **environment):
    """Every record is labelled; returns the summary's counts of requests."""
    return check_complete(job, job.run(environment=environment, timeout=LONGEST))


def labels_all_while(job, happening, **environment):
    """The same, and happening(run) goes on beside it; `run` is its process."""
    run = subprocess.Popen(job.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env=job.environment(**environment))
    trouble = []

    def happen():
        try:
            happening(run)
        except BaseException as error:
            trouble.append(error)
            run.kill()

    beside = threading.Thread(target=happen)
    beside.start()
    try:
        stdout, stderr = run.communicate(timeout=LONGEST)
    finally:
        run.kill()
        beside.join()
    if trouble:
        raise trouble[0]
    return check_complete(job, subprocess.CompletedProcess(run.args, run.returncode, stdout, stderr))


def check_complete(job, done):
    assert done.returncode == 0, done.stderr
    assert job.failures() == [], done.stderr
    assert len(job.labels()) == job.data.records
    assert job.summary()["records"]["failed"] == 0
    return job.summary()["requests"]


def ends_at_once(job, words, **environment):
    """The run fails, says why in `words`, and has sent a few requests a worker at most."""
    done = job.run(environment=environment, timeout=LONGEST)
    assert done.returncode == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert job.summary()["requests"]["sent"] <= 3 * job.settings["workflow__max_workers"]
    return done


def in_mid_run(teacher, answers, run):
    """Waits until the teacher has given so many."""
    wait_until(lambda: teacher.requests >= answers)
    assert run.poll() is None, "the run was over before anything happened to it"
