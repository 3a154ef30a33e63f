"""A full disk, a folder that cannot be written: an error that names the path, and nothing lost."""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from labelling import WORKERS, Job, make_data
from support.faulty_endpoint import FaultyEndpoint

PAGE = 4096


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "disk", images=10, captions_each=2)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """The output files of a run that met no fault."""
    with FaultyEndpoint() as endpoint:
        job = Job(tmp_path_factory.mktemp("undisturbed"), data, endpoint)
        assert job.run().returncode == 0
    return job.outputs()


@pytest.fixture
def volume(tmp_path):
    """A function that makes a file system of so many pages; tmp_path/volume."""
    folder = tmp_path / "volume"
    folder.mkdir()

    def mount(*options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return folder

    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system needs root")
    yield mount
    while os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)


def remount(folder, *options):
    subprocess.run(["mount", "-o", ",".join(("remount", *options)), folder], check=True)


def without_override():
    """What makes root respect permissions; nothing for others, who must anyway."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root respects permissions only under setpriv (util-linux)")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def assert_clear_error(done, path):
    assert done.returncode == 1, (done.returncode, done.stderr)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and str(path) in last, done.stderr
    return last


def assert_nothing_corrupt(job):
    for step in (0, 1):
        for path in job.checkpoints(step):
            json.loads(path.read_text())
    for path in [*job.results.glob("*.jsonl"), *job.results.glob("step*/*.jsonl")]:
        for line in path.read_text().splitlines():
            json.loads(line)
    if (job.results / "summary.json").exists():
        assert job.summary()["status"] in ("failed", "succeeded")


def in_volume(folder, data, endpoint, tmp_path):
    job = Job(tmp_path / "job", data, endpoint)
    job.results = folder / "results"
    return job


# Pages: from a disk that has no room for the first folder to one that lacks room for the last file.
@pytest.mark.parametrize("pages", [1, 2, 3, 5, 8, 12, 20, 30, 38, 42, 44, 46, 48, 50, 52, 54])
def test_full_disk(pages, volume, data, undisturbed, endpoint, tmp_path):
    folder = volume(f"size={pages * PAGE}")
    job = in_volume(folder, data, endpoint, tmp_path)
    done = job.run()
    if done.returncode == 0:
        assert pages > 40 and job.outputs() == undisturbed
        return
    assert "No space left on device" in assert_clear_error(done, folder)
    assert_nothing_corrupt(job)
    sent = len(endpoint.requests)
    remount(folder, "size=8m")
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.outputs() == undisturbed
    # Answers that found no room are asked for again, and those that were in flight then.
    assert data.needed <= len(endpoint.requests) <= data.needed + WORKERS, sent


def test_no_inodes_left(volume, data, undisturbed, endpoint, tmp_path):
    folder = volume("nr_inodes=25")
    job = in_volume(folder, data, endpoint, tmp_path)
    assert "No space left on device" in assert_clear_error(job.run(), folder)
    assert_nothing_corrupt(job)
    remount(folder, "nr_inodes=1000")
    assert job.run().returncode == 0
    assert job.outputs() == undisturbed
    assert len(endpoint.requests) <= data.needed + WORKERS


def test_read_only_volume(volume, data, undisturbed, endpoint, tmp_path):
    folder = volume("size=8m")
    job = in_volume(folder, data, endpoint, tmp_path)
    remount(folder, "ro")
    assert "Read-only file system" in assert_clear_error(job.run(), folder)
    assert endpoint.requests == [], "known before anything is paid for"
    remount(folder, "rw")
    assert job.run().returncode == 0
    assert job.outputs() == undisturbed


def test_volume_becomes_read_only(volume, data, undisturbed, endpoint, tmp_path):
    """As a disk with errors does, between two runs and with checkpoints on it."""
    folder = volume("size=8m")
    job = in_volume(folder, data, endpoint, tmp_path)
    assert job.run(settings={"workflow__max_requests": 12}).returncode == 1
    remount(folder, "ro")
    assert_clear_error(job.run(), folder)
    remount(folder, "rw")
    assert job.run().returncode == 0
    assert job.outputs() == undisturbed
    assert len(endpoint.requests) == data.needed


@pytest.mark.parametrize("limit", [1, 100, 400, 2000, 5000])
def test_limit_on_file_sizes(limit, data, undisturbed, make_job, endpoint, tmp_path):
    """`ulimit -f`: the signal that comes with it must not kill the run."""
    job = Job(tmp_path / "job", data, endpoint)
    done = job.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert "File too large" in assert_clear_error(done, job.results)
    assert_nothing_corrupt(job)
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.outputs() == undisturbed
    assert len(endpoint.requests) <= data.needed + WORKERS


@pytest.mark.parametrize("results", ["/dev/null/results", "/proc/results"])
def test_folder_that_cannot_be_made(results, data, endpoint, tmp_path):
    job = Job(tmp_path / "job", data, endpoint)
    job.results = Path(results)
    assert_clear_error(job.run(), results)
    assert endpoint.requests == []


@pytest.mark.parametrize("locked", ["", "step_0_expression_extraction",
                                    "step_0_expression_extraction/.ckpt",
                                    "step_1_grounding", "step_1_grounding/.ckpt"])
def test_folder_without_permission(locked, data, undisturbed, endpoint, tmp_path):
    """At the top or far below, in a results_dir that a first run has begun."""
    job = Job(tmp_path / "job", data, endpoint)
    assert job.run(settings={"workflow__max_requests": 8}).returncode == 1
    folder = job.results / locked
    folder.chmod(0o500)
    begun = len(endpoint.requests)
    done = job.run(prefix=without_override())
    assert "Permission denied" in assert_clear_error(done, folder)
    assert len(endpoint.requests) == begun, "noticed before anything is asked"
    assert_nothing_corrupt(job)
    folder.chmod(0o700)
    assert job.run().returncode == 0
    assert job.outputs() == undisturbed
    assert len(endpoint.requests) <= data.needed + WORKERS


def test_folder_vanishes(data, undisturbed, endpoint, tmp_path):
    job = Job(tmp_path / "job", data, endpoint)

    def script(request):
        if request.number == 9:  # in one go: what is written meanwhile could keep a folder alive
            job.results.rename(tmp_path / "gone")

    endpoint.script = script
    assert "No such file or directory" in assert_clear_error(job.run(), job.results)
    endpoint.heal()
    assert job.run().returncode == 0
    assert job.outputs() == undisturbed
    # What the first run had in flight at its end may reach the endpoint after heal().
    assert job.summary()["requests"]["sent"] == data.needed, "what is gone is asked for again, once"
    assert len(endpoint.requests) < data.needed + WORKERS


@pytest.mark.parametrize("limit", [40, 70, 160])
def test_few_open_files(limit, endpoint, tmp_path):
    """Sockets for 200 requests at once must leave room for checkpoints."""
    data = make_data(tmp_path / "data", images=100, captions_each=2)
    endpoint.latency = 0.02
    job = Job(tmp_path / "job", data, endpoint, workflow__max_workers=200)
    done = job.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    assert done.returncode == 0, done.stderr
    assert len(endpoint.requests) == data.needed
    assert job.failures() == []


def test_its_output_goes_nowhere(data, undisturbed, endpoint, tmp_path):
    """A full disk under a log file, and a pipe whose reader is gone."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open("/dev/full", "w") as full, open(write_end, "w") as pipe:
        for n, sink in enumerate((full, pipe)):
            job = Job(tmp_path / f"job{n}", data, endpoint)
            process = subprocess.run(job.command(), stdout=sink, stderr=sink, timeout=60,
                                     env=job.environment())
            assert process.returncode == 0
            assert job.outputs() == undisturbed
