"""Data for the benchmarks, and processes whose time and memory are measured."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.images import png  # noqa: E402

RELEASE = ROOT / "build" / "release"
PROGRAM = RELEASE / "entrypoint/cli/auto-label-image-grounding"
ENDPOINT = RELEASE / "benchmarks/canned-endpoint"
BARE_LOOP = RELEASE / "benchmarks/bare-loop"
MICRO = RELEASE / "benchmarks/micro-benchmarks"
PYTHON = ROOT / "build/benchmark-venv/bin/python"
BASELINE = ROOT / "benchmarks/baseline/baseline.py"
LINKS_PER_FILE = 20_000  # file systems limit the names of one file


def png_of(size: int, seed: int) -> bytes:
    """An image of noise whose file has about so many bytes: stored, not compressed."""
    side = max(4, int((size / 3) ** 0.5))
    noise = random.Random(seed).randbytes(3 * side * side)
    return png(side, side, pixels=noise, compression=0)


def make_dataset(folder: Path, records: int, image_bytes: int) -> Path:
    """`records` records, each with its own image name; these name only a few different files."""
    done = folder / "captions.jsonl"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    base = folder / "base"
    base.mkdir(parents=True)
    files = []
    for i in range(max(16, -(-records // LINKS_PER_FILE))):
        files.append(base / f"{i}.png")
        files[-1].write_bytes(png_of(image_bytes, i))
    lines = []
    for i in range(records):
        if i % 1000 == 0:
            (folder / f"images/{i // 1000:04}").mkdir(parents=True)
        name = f"images/{i // 1000:04}/{i:07}.png"
        os.link(files[i % len(files)], folder / name)
        lines.append(json.dumps({"image_path": name, "image_id": f"{i:07}",
                                 "caption": f"A red thing, image {i}."}))
    part = folder / "part"
    part.write_text("\n".join(lines) + "\n")
    part.rename(done)
    return folder


class Endpoint:
    def __init__(self, latency_ms: float):
        self.process = subprocess.Popen([ENDPOINT, "--latency-ms", str(latency_ms)],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.counts = json.loads(self.process.stdout.read().splitlines()[-1])
        self.process.wait()


@dataclass
class Measured:
    seconds: float
    cpu: float
    user: float  # the program's own part of `cpu`, without the kernel's
    rss: int  # bytes, the most that was seen
    threads: int
    out: str


class Watch:
    """Looks at a process until it ends. ru_maxrss will not do for its memory: it counts what our own
    process held when it forked."""

    def __init__(self, pid: int):
        self.pid, self.rss, self.threads = pid, 0, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.ended.wait(0.02):
            try:
                status = Path(f"/proc/{self.pid}/status").read_text()
            except OSError:
                return
            found = dict(line.split(":", 1) for line in status.splitlines())
            if "VmHWM" in found:
                self.rss = int(found["VmHWM"].split()[0]) * 1024  # the most so far
                self.threads = max(self.threads, int(found["Threads"]))

    def stop(self):
        self.ended.set()
        self.thread.join()


class Interludes:
    """Stops a process every few seconds for something else that is measured, and lets it go on: so
    that both see the same machine, whatever others do to it meanwhile."""

    EVERY = 10  # seconds

    def __init__(self, pid: int, play):
        self.pid, self.play = pid, play
        self.seconds = 0.0  # for which the process was stopped
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.take_turns, daemon=True)
        self.thread.start()

    def take_turns(self):
        while not self.ended.wait(self.EVERY):
            begin = time.perf_counter()
            os.kill(self.pid, signal.SIGSTOP)
            try:
                if not self.is_stopped():
                    return
                self.play()
            finally:
                os.kill(self.pid, signal.SIGCONT)
                self.seconds += time.perf_counter() - begin

    def is_stopped(self):
        """False where it has come to its end instead."""
        while True:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state in "TZX":
                return state == "T"
            time.sleep(0.001)

    def stop(self):
        self.ended.set()
        self.thread.join()


def measure(command, interlude=None) -> Measured:
    """`interlude`: called every few seconds, while the process is stopped."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:  # a pipe that is not read yet could fill up
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                                   stderr=errors, text=True)
        watch = Watch(process.pid)
        interludes = interlude and Interludes(process.pid, interlude)
        out = process.stdout.read()
        seconds = time.perf_counter() - begin
        if interludes:
            interludes.stop()  # before the process is waited for: its id must stay its own
            seconds -= interludes.seconds
        _, status, usage = os.wait4(process.pid, 0)
        watch.stop()
        errors.seek(0)
        err = errors.read()
    if status != 0:
        sys.exit(f"benchmarks: {command[0]} failed:\n{out}\n{err}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_utime, watch.rss,
                    watch.threads, out)


def label(data: Path, results: Path, url: str, in_flight: int, interlude=None) -> Measured:
    """`results` should be a folder that was never there: ext4 is slow to make files where many were
    just removed."""
    spec = results.parent / "spec.yaml"
    spec.write_text("results_dir: ???\nautolabel_type: image_grounding\n")
    command = [PROGRAM, "generate", "-e", spec, f"results_dir={results}",
               "image_grounding.vlm.backend=openai", "image_grounding.vlm.openai.model_name=model",
               f"image_grounding.vlm.openai.base_url={url}/v1",
               f"image_grounding.data.input_jsonl={data}/captions.jsonl",
               f"image_grounding.data.image_root={data}",
               f"image_grounding.workflow.max_workers={in_flight}"]
    measured = measure(command, interlude)
    summary = json.loads((results / "summary.json").read_text())
    if summary["status"] != "succeeded" or summary["records"]["failed"]:
        sys.exit(f"benchmarks: {summary}")
    return measured


def least(runs) -> Measured:
    """The least of each figure, the most memory."""
    return Measured(min(run.seconds for run in runs), min(run.cpu for run in runs),
                    min(run.user for run in runs), max(run.rss for run in runs),
                    max(run.threads for run in runs), runs[-1].out)


def mean(runs) -> Measured:
    """The mean of the times, the most memory."""
    count = len(runs)
    return Measured(sum(run.seconds for run in runs) / count, sum(run.cpu for run in runs) / count,
                    sum(run.user for run in runs) / count, max(run.rss for run in runs),
                    max(run.threads for run in runs), runs[-1].out)


def machine() -> dict:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    return {"cores": os.cpu_count(), "model": model}


__all__ = ["ROOT", "PROGRAM", "BARE_LOOP", "MICRO", "PYTHON", "BASELINE", "Endpoint", "Measured",
           "make_dataset", "measure", "label", "least", "mean", "machine"]
