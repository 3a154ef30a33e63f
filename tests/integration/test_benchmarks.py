"""The benchmarks in their short form: that they run through, not how fast."""

import json
import subprocess

from support.project import ROOT


def test_short_benchmarks_run_through():
    done = subprocess.run(["bash", ROOT / "benchmarks/run.sh", "--short"], capture_output=True,
                          text=True, timeout=540)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((ROOT / "build/benchmarks/results.json").read_text())
    assert results["short"]
    names = " ".join(row["what"] for row in results["rows"])
    for part in ("throughput / ideal", "bare loop", "Python script", "memory", "cat of"):
        assert part in names, part
    assert all(row["value"] > 0 for row in results["rows"])
