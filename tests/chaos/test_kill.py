"""SIGKILL at any instant: no finished sample is lost, no file is corrupt (kill_many.py: more)."""

import os

from killing import kill_runs

KILLS = 50
SEED = int(os.environ.get("ALIG_CHAOS_SEED", "20"))


def test_killed_runs_go_on(tmp_path):
    tally = kill_runs(tmp_path, KILLS, SEED)
    print(f"seed {SEED}: {tally}")
    assert tally.kills == KILLS
    hit = {phase[0] for phase in tally.phases}
    assert {"0", "2"} <= hit and hit & {"4", "5"}, tally.phases
