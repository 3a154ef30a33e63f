#!/usr/bin/env python3
"""Kills runs of the program at random instants and checks every promise: test_kill.py, at length.

    python3 tests/chaos/kill_many.py --kills 1000 [--seed 7]

ALIG_PROGRAM names the program where it is not in build/release. Prints what it did; exit status 1
and the broken promise where there is one.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from killing import kill_runs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    begun = time.monotonic()

    def show(tally):
        if tally.trials % 20 == 0:
            print(f"{tally.kills} kills in {time.monotonic() - begun:.0f} s", flush=True)

    with tempfile.TemporaryDirectory(prefix="alig-kill-") as folder:
        tally = kill_runs(Path(folder), arguments.kills, arguments.seed, show)
    print(f"{tally.kills} kills, {tally.trials} trials, {time.monotonic() - begun:.0f} s; "
          f"{tally.needed} requests needed, {tally.requests} sent "
          f"({tally.paid_twice / tally.kills:.2f} asked again per kill)")
    for phase, count in sorted(tally.phases.items()):
        print(f"  killed while {phase[2:]}: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
