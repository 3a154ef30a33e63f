"""Kills runs with SIGKILL at seeded random instants and checks what is left each time.

A trial is one results_dir: runs are killed one after the other until one of them ends by itself.
Instants are of three kinds, so that every phase is hit: a time, uniform over the duration of an
undisturbed run; a number of requests that the endpoint has received; a file that appears.
"""

import json
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from faults import status
from labelling import WORKERS, Job, make_data
from support.faulty_endpoint import FaultyEndpoint
from support.project import read_jsonl

# In the order in which they appear.
PUBLISHING = "step_0_expression_extraction/.published.json"
FILES = (".state/lock", "step_0_expression_extraction/.ckpt", "step_1_grounding/.ckpt",
         PUBLISHING, "step_0_expression_extraction/annotations.jsonl",
         "step_1_grounding/.published.json", "step_1_grounding/annotations.jsonl", ".published.json",
         "annotations.jsonl", "failures.jsonl", "summary.json")
LATENCY = 0.004


@dataclass
class Tally:
    kills: int = 0
    trials: int = 0
    requests: int = 0
    needed: int = 0
    phases: Counter = field(default_factory=Counter)

    @property
    def paid_twice(self):
        return self.requests - self.needed


def make_trial_data(folder):
    return make_data(folder, images=12, captions_each=3)


def measure(folder, data):
    """(seconds of an undisturbed run, its output files)"""
    with FaultyEndpoint(latency=LATENCY) as endpoint:
        job = Job(folder, data, endpoint)
        begun = time.monotonic()
        done = job.run()
        assert done.returncode == 0, done.stderr
        return time.monotonic() - begun, job.outputs()


def phase_of(job, data, before):
    """How far a run was when it was killed, by what it left; `before`: the stamps at its start."""
    new = {name for name in FILES if stamp(job.results / name) != before[name]}
    if "summary.json" in new:
        return "5 at its end"
    if PUBLISHING in new:
        return "4 publishing"
    if len(job.checkpoints(1)) == data.records:
        return "3 all answered"
    if job.checkpoints(1):
        return "2 in both steps"
    return "1 in step 0" if job.checkpoints(0) else "0 starting"


class Trial:
    def __init__(self, folder, data, seconds, chance):
        self.folder, self.data, self.seconds, self.chance = folder, data, seconds, chance
        self.endpoint = FaultyEndpoint(latency=LATENCY)
        self.job = Job(folder, data, self.endpoint)
        self.log = (folder / "stderr.txt").open("w")

    def instant(self, before, early):
        """A condition that becomes true when the run is to be killed."""
        if early:  # before the program has so much as read its spec
            at = time.monotonic() + self.chance.uniform(0, 0.01)
            return lambda: time.monotonic() >= at
        kind = self.chance.choice(("time", "time", "requests", "file"))
        remaining = max(1, self.data.needed - len(self.endpoint.answered))
        if kind == "time":
            # Starting takes as long in a run that has little left to do.
            longest = self.seconds * (0.3 + 0.8 * remaining / self.data.needed)
            at = time.monotonic() + self.chance.uniform(0, longest)
            return lambda: time.monotonic() >= at
        if kind == "requests":
            # Often the very last ones: what follows them is short.
            wanted = self.chance.choice((self.chance.randint(1, remaining), remaining))
            target = len(self.endpoint.requests) + wanted
            pause = self.chance.uniform(0, 0.01)
            return Delayed(lambda: len(self.endpoint.requests) >= target, pause)
        name = self.chance.choice(FILES)
        return Delayed(lambda: stamp(self.job.results / name) != before[name],
                       self.chance.choice((0, 0, 0.001)))

    def run_once(self, early=False):
        """The phase in which the run was killed; None if it came to its end before."""
        before = {name: stamp(self.job.results / name) for name in FILES}
        due = self.instant(before, early)
        process = self.job.start(self.log)
        deadline = time.monotonic() + 60
        while process.poll() is None and not due():
            assert time.monotonic() < deadline, "the run hangs"
            time.sleep(0.0002)
        process.kill()
        process.wait()
        assert process.returncode in (0, -signal.SIGKILL), (self.folder / "stderr.txt").read_text()
        return phase_of(self.job, self.data, before) if process.returncode else None

    def check_files(self):
        """Whatever the instant: no file that a reader may look at is half."""
        for step in (0, 1):
            for path in self.job.checkpoints(step):
                json.loads(path.read_text())
        for path in self.job.results.rglob("annotations.jsonl"):
            assert len(read_jsonl(path)) == self.data.records
        for name in ("failures.jsonl", "summary.json"):
            if (path := self.job.results / name).exists():
                json.loads(path.read_text()) if path.suffix == ".json" else read_jsonl(path)

    def publish_with_failures(self):
        """An earlier run whose outputs the killed ones replace: three records failed in it."""
        self.endpoint.script = lambda request: (
            status(422) if request.step == "0" and ".1 " in request.asked[0] and
            request.asked[0].startswith("thing 1") else None)
        done = self.job.run()
        assert done.returncode == 0, done.stderr
        self.endpoint.script = lambda request: None
        return len(self.endpoint.faults)

    def finish(self, expected):
        done = self.job.run()
        assert done.returncode == 0, done.stderr
        assert self.job.outputs() == expected
        assert self.job.failures() == []
        assert list((self.job.results / ".state/tmp").iterdir()) == [], "no temporary is left"
        assert not list((self.job.results / ".state").glob(".tmp*"))
        before = len(self.endpoint.requests)
        assert self.job.run().returncode == 0
        assert len(self.endpoint.requests) == before, "a finished run asks nothing"

    def close(self):
        self.log.close()
        self.endpoint.stop()


def stamp(path):
    try:
        found = path.stat()
        return found.st_ino, found.st_mtime_ns
    except FileNotFoundError:
        return None


class Delayed:
    """True `pause` seconds after `condition` was seen to be true."""

    def __init__(self, condition, pause):
        self.condition, self.pause, self.at = condition, pause, None

    def __call__(self):
        if self.at is None and self.condition():
            self.at = time.monotonic() + self.pause
        return self.at is not None and time.monotonic() >= self.at


def run_trial(folder, data, seconds, expected, chance, most_kills, tally):
    trial = Trial(folder, data, seconds, chance)
    try:
        begins_early = tally.trials % 4 == 0
        publishes = not begins_early and chance.random() < 0.5
        extra = trial.publish_with_failures() if publishes else 0
        kills = 0
        while kills < most_kills and (phase := trial.run_once(begins_early and kills == 0)):
            kills += 1
            tally.phases[phase] += 1
            trial.check_files()
        trial.finish(expected)
        asked = len(trial.endpoint.requests) - extra
        allowed = data.needed + kills * WORKERS
        # An image of which a record failed before is asked for that record once more.
        assert data.needed <= asked <= allowed + extra, (kills, asked, allowed)
        tally.kills += kills
        tally.trials += 1
        tally.requests += asked
        tally.needed += data.needed
    finally:
        trial.close()


def kill_runs(folder, kills, seed, progress=lambda tally: None):
    """Kills runs until `kills` have died; raises AssertionError where a promise is broken."""
    data = make_trial_data(folder / "data")
    seconds, expected = measure(folder / "undisturbed", data)
    chance, tally = random.Random(seed), Tally()
    while tally.kills < kills:
        most = min(chance.randint(1, 8), kills - tally.kills)
        run_trial(folder / f"trial{tally.trials}", data, seconds, expected, chance, most, tally)
        progress(tally)
    return tally
