#!/usr/bin/env python3
"""Measures the program beside the physical limit and beside what users have today.

All figures are ratios of runs made one after the other on this machine; see docs/performance.md.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from measuring import (
    BARE_LOOP,
    BASELINE,
    MICRO,
    PYTHON,
    ROOT,
    Endpoint,
    label,
    least,
    machine,
    make_dataset,
    mean,
    measure,
)

KB = 1000


class Table:
    """Rows of what was measured; a bar makes a row good or bad."""

    def __init__(self, short):
        self.rows, self.short = [], short

    def add(self, what, value, bar=None, note=""):
        """`bar`: ("<=" or ">=", number), or none where a figure is only shown. In a short run all of
        them are: it is too short to tell."""
        bar = None if self.short else bar
        good = None if bar is None else (value <= bar[1] if bar[0] == "<=" else value >= bar[1])
        self.rows.append({"what": what, "value": value, "bar": bar and f"{bar[0]} {bar[1]:g}",
                          "good": good, "note": note})
        sign = {None: " ", True: "+", False: "-"}[good]
        print(f"{sign} {what:<62} {value:>10.4g}  {self.rows[-1]['bar'] or '':<9} {note}", flush=True)


class Benchmarks:
    """`memory` and `disk`: folders for data and results. Where files are made on a disk, the kernel's
    share of the CPU time varies threefold from run to run with what the file system does behind the
    scenes; so both sides of a comparison of CPU time work in memory. Scale and resume are measured on
    the disk."""

    def __init__(self, memory: Path, disk: Path, short: bool):
        self.work, self.disk, self.short, self.table = memory, disk, short, Table(short)
        self.times = 1 if short else 5

    def fresh(self):
        return Path(tempfile.mkdtemp(prefix="out-", dir=self.work)) / "results"

    def data(self, records, image_bytes):
        return make_dataset(self.work / f"data-{records}-{image_bytes}", records, image_bytes)

    def run(self, records, image_bytes, in_flight, latency_ms):
        data = self.data(records, image_bytes)
        with Endpoint(latency_ms) as endpoint:
            return label(data, self.fresh(), endpoint.url, in_flight)

    def side_by_side(self, *runs):
        """Each of `runs` in turn, again and again, so that all see the same machine; of each the
        least time and the least CPU time: what others did to the machine can only add to them."""
        rounds = [[run() for run in runs] for _ in range(self.times)]
        return [least(column) for column in zip(*rounds)]

    # Little's law: n requests at once, each of t seconds, are n/t a second.
    def throughput(self):
        for in_flight, latency, rounds, bar in [(4, 100, 50, None), (64, 100, 300, 0.97),
                                                (512, 1000, 60, 0.95), (1000, 1000, 40, None)]:
            if self.short:
                latency, rounds = 20, 4
            records = in_flight * rounds // 2
            run = self.run(records, 50 * KB, in_flight, latency)
            ideal = 2 * records * latency / 1000 / in_flight
            self.table.add(f"throughput / ideal, {in_flight} in flight, {latency} ms, 50 KB",
                           ideal / run.seconds, bar and (">=", bar), f"{run.seconds:.1f} s")
            if in_flight == 1000:
                cores = machine()["cores"]
                self.table.add("threads at 1000 in flight", run.threads, ("<=", cores + 3),
                               f"{cores} cores")

    def bare(self, data, records, in_flight, latency, prepared):
        head, tail = self.work / "head", self.work / "tail"
        prompt = "x" * 1500  # about what our prompts have
        head.write_text('{"model":"model","messages":[{"role":"user","content":[{"type":"image_url",'
                        '"image_url":{"url":"data:image/png;base64,')
        tail.write_text('"}},{"type":"text","text":"' + prompt + '"}]}]}')

        with Endpoint(latency) as endpoint:
            run = measure([BARE_LOOP, "--url", endpoint.url + "/v1/chat/completions",
                           "--images", data / "base", "--head", head, "--tail", tail,
                           "--requests", 2 * records, "--in-flight", in_flight]
                          + (["--prepared"] if prepared else []))
        counts = json.loads(run.out)
        run.seconds, run.cpu = counts["seconds"], counts["cpu_seconds"]
        return run

    def cpu(self):
        for size, records, bar in [(50 * KB, 4000, None), (500 * KB, 1500, 1.3),
                                   (5000 * KB, 200, None)]:
            records = records // 20 if self.short else records
            data = self.data(records, size)
            ours, ready, encodes = self.side_by_side(
                lambda: self.run(records, size, 64, 10),
                lambda: self.bare(data, records, 64, 10, True),
                lambda: self.bare(data, records, 64, 10, False))
            for bare, name in [(ready, "bodies ready in memory"), (encodes, "reads and encodes")]:
                self.table.add(f"CPU per record / bare loop ({name}), {size // KB} KB",
                               ours.cpu / bare.cpu,
                               ("<=", bar) if bar and bare is encodes else None,
                               f"{ours.cpu / records * 1e3:.2f} ms against "
                               f"{bare.cpu / records * 1e3:.2f} ms")

    def baseline(self):
        records = 100 if self.short else 1500
        data = self.data(4 * records, 50 * KB)
        part = self.work / "part.jsonl"
        part.write_text("".join((data / "captions.jsonl").open().readlines()[:records]))

        def once():
            with Endpoint(10) as endpoint:
                run = measure([PYTHON, BASELINE, "--url", endpoint.url + "/v1", "--input", part,
                               "--image-root", data, "--results", self.fresh(),
                               "--workers", 64])
            run.seconds = json.loads(run.out)["seconds"]  # without its imports
            return run
        ours, theirs = self.side_by_side(lambda: self.run(4 * records, 50 * KB, 64, 10), once)
        ours_rate, their_rate = 4 * records / ours.seconds, records / theirs.seconds
        self.table.add("throughput / Python script, 64 in flight, 10 ms, 50 KB",
                       ours_rate / their_rate, (">=", 8),
                       f"{ours_rate:.0f} against {their_rate:.0f} records a second")
        ours_cpu, their_cpu = ours.cpu / 4 / records, theirs.cpu / records
        self.table.add("CPU per record / Python script", ours_cpu / their_cpu, ("<=", 1 / 15),
                       f"{ours_cpu * 1e3:.2f} ms against {their_cpu * 1e3:.2f} ms")

    def memory(self):
        records = 130 if self.short else 1000
        idle = self.run(64, 300, 64, 500).rss  # it does nothing but wait
        run = self.run(records, 5000 * KB, 64, 100)
        self.table.add("peak memory above the idle program's, 64 in flight, 5 MB, in MB",
                       (run.rss - idle) / 1e6, ("<=", 100), f"{run.rss / 1e6:.0f} MB in all")

    def label_at_once(self, data, interlude=None):
        results = self.fresh()
        with Endpoint(0) as endpoint:
            return results, label(data, results, endpoint.url, 64, interlude)

    def scale(self):
        self.work = self.disk
        sizes = [100, 300] if self.short else [1000, 10_000, 100_000, 1_000_000]
        # The load of a shared machine changes from minute to minute: the long run is paused every
        # few seconds for a short one, so that both see the same load.
        short_data, short_runs = self.data(10_000, 300), []
        runs = {}
        for records in sizes:
            data = self.data(records, 300)
            interlude = None
            if records == 1_000_000:
                interlude = lambda: short_runs.append(self.label_at_once(short_data)[1])
            results, run = self.label_at_once(data, interlude)
            runs[records] = run
            self.table.add(f"{records} records, first run: seconds", run.seconds, None,
                           f"CPU {run.cpu / records * 1e6:.0f} us a record, {run.rss / 1e6:.0f} MB")
            self.resume(data, records, results)  # nothing is removed: ext4 is slow for minutes after
        if self.short:
            return
        small, large = mean(short_runs), runs[1_000_000]
        self.table.add("time per record at 1M / at 10k records",
                       large.seconds / small.seconds / 100, ("<=", 1.1),
                       f"{len(short_runs)} runs of 10k while the long one was paused")
        self.table.add("CPU per record at 1M / at 10k records, with the kernel's",
                       large.cpu / small.cpu / 100, None,
                       f"{large.cpu:.0f} us a record against {small.cpu * 100:.0f} us")
        self.table.add("the same, the program's own part", large.user / small.user / 100, None,
                       f"{large.user:.0f} us a record against {small.user * 100:.0f} us")
        self.table.add("memory growth from 100k to 1M records, bytes a record",
                       (large.rss - runs[100_000].rss) / 900_000, ("<=", 64))

    def resume(self, data, records, results):
        def cat():
            begin = time.perf_counter()
            subprocess.run(f"find {results}/step_*/.ckpt -type f -print0 | xargs -0 cat > /dev/null",
                           shell=True, check=True)
            return time.perf_counter() - begin
        times = 3 if records <= 100_000 else 1
        cat()
        cat_seconds = min(cat() for _ in range(times))
        # Nothing listens there: a finished run needs no endpoint.
        run = least([label(data, results, "http://127.0.0.1:9", 64) for _ in range(times)])
        self.table.add(f"{records} records, all done / cat of their checkpoints",
                       run.seconds / cat_seconds, ("<=", 2) if records == 100_000 else None,
                       f"{run.seconds:.2f} s against {cat_seconds:.2f} s, {run.rss / 1e6:.0f} MB")

    def micro(self):
        options = ["--benchmark_min_time=0.01"] if self.short else []
        subprocess.run([MICRO, "--benchmark_format=console", *options], check=True)


def main():
    parts = ["micro", "throughput", "cpu", "baseline", "memory", "scale"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true",
                        help="small and quick: for crashes and correctness, not for figures")
    parser.add_argument("--only", choices=parts, action="append", help="may be given repeatedly")
    options = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as fast, tempfile.TemporaryDirectory() as disk:
        benchmarks = Benchmarks(Path(fast), Path(disk), options.short)
        print(f"  {machine()['cores']} cores, {machine()['model']}")
        for part in options.only or parts:
            getattr(benchmarks, part)()
    out = ROOT / "build/benchmarks/results.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine(), "short": options.short,
                               "rows": benchmarks.table.rows}, indent=1) + "\n")
    print(f"  written: {out}")


if __name__ == "__main__":
    main()
