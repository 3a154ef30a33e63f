"""`auto_label generate` and `default_specs`, in every layout."""
from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from environments import LAYOUTS
from runs import KEY, KEY_OVERRIDE, RECORDS, check_failed, check_hidden, check_passed, generate, run_child
from teacher import BOX

DRAWN = re.compile(r"Epoch \d+: \s*\d+%|\[.*\]")


def check_annotations(job):
    records = job.annotations()
    assert [record["expressions"][0]["text"] for record in records] == [
        f"red ball {number}" for number in range(RECORDS)]
    assert all(record["expressions"][0]["instances"][0]["bbox"] == BOX for record in records)


def test_both_steps_and_their_report(tao, job):
    done = generate(tao, job, "image_grounding.workflow.steps=[\"0\",\"1\"]", KEY_OVERRIDE)
    check_passed(done)
    check_annotations(job)
    assert job.teacher.last_key == f"Bearer {KEY}"
    check_hidden(job, done)
    assert done.stdout.count("environment variable") == 1
    status = job.status()
    assert [status[0]["status"], status[-1]["status"]] == ["STARTED", "RUNNING"]
    assert "finished successfully" in status[-1]["message"]
    assert [record for record in status if "kpi" in record] == [status[-1]], status
    kpi = status[-1]["kpi"]
    assert (kpi["records"], kpi["expressions"], kpi["boxes"], kpi["failed"]) == (
        RECORDS, RECORDS, RECORDS, 0)
    assert kpi["requests"] == 2 * RECORDS == job.teacher.questions
    assert kpi["tokens_input"] == 100 * kpi["requests"]
    # Each message of ours once, and none that the parent would draw over.
    ours = [line for line in done.stdout.splitlines() if "image_grounding: " in line]
    assert ours and len(ours) == len(set(ours)), done.stdout
    for line in re.split("[\r\n]", done.stdout):
        assert "INFO image_grounding: " not in line or not DRAWN.search(line), line


def test_step_after_step_then_resume_as_a_stock_spec_asks(tao, job):
    """Overrides that the stock schema has, also where this layout has no stock pipeline."""
    stock = ["image_grounding.workflow.long_video_threshold_sec=30",
             "image_grounding.workflow.long_video_sample_fps=1.5",
             "image_grounding.workflow.long_video_max_frames=8"]
    run_child(tao, job, "image_grounding.workflow.steps=[0]", *stock)
    assert job.teacher.questions == RECORDS
    assert [len(record["expressions"]) for record in job.annotations()] == [1] * RECORDS
    run_child(tao, job, "image_grounding.workflow.steps=[1]")
    assert job.teacher.questions == 2 * RECORDS
    check_annotations(job)
    check_passed(generate(tao, job))
    assert job.teacher.questions == 2 * RECORDS  # all of it was done
    check_annotations(job)


def listed_specs(environment, folder):
    done = environment.run("auto_label", "default_specs", f"results_dir={folder}", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return yaml.safe_load((folder / "experiment.yaml").read_text())


def test_default_specs_lists_our_block_and_its_file_runs(tao, base, job):
    if not tao.layout.default_specs:
        pytest.skip(f"{tao.layout.name} has no default_specs")
    listed = listed_specs(tao, job.folder)
    keys = json.loads((base.site_packages / "auto_label_image_grounding" / "spec_keys.json")
                      .read_text())
    for key in keys:
        value = listed["image_grounding"]
        for name in key["path"].split("."):
            value = value[name]
        assert value == key["default"], key["path"]
    assert listed["image_grounding"]["vlm"]["gemini"]["media_resolution"] == "MEDIA_RESOLUTION_HIGH"
    assert listed["autolabel_type"] == "mal" and "grounding_dino" in listed
    # Also in the native program, which finds all of it done.
    run_listed(tao, job)
    run_listed(tao, job, "auto-label-image-grounding")
    assert job.teacher.questions == 2 * RECORDS


def run_listed(environment, job, program="auto_label"):
    data = job.spec()["image_grounding"]["data"]
    overrides = ["autolabel_type=image_grounding", f"results_dir={job.results}",
                 "image_grounding.vlm.backend=openai", "image_grounding.vlm.coordinates=pixel",
                 f"image_grounding.vlm.openai.base_url={job.teacher.base_url}",
                 "image_grounding.vlm.openai.model_name=stand-in",
                 *(f"image_grounding.data.{key}={value}" for key, value in data.items())]
    done = environment.run(program, "generate", "-e", "./experiment.yaml", *overrides,
                           cwd=job.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    check_annotations(job)


@pytest.mark.parametrize("version", ["6.26.3+7.1.0", "7.0.0+7.0.1", "7.1.0", "7.3.0"])
def test_a_stock_default_specs_file_runs(version, environments, base, tao_d, job):
    """As the stock layout writes it, with all blocks of all types; in the native program too."""
    stock = environments.tao(LAYOUTS[version]).without_hook(job.folder / "stock")
    listed = listed_specs(stock, job.folder)
    assert listed["image_grounding"]["workflow"]["long_video_max_frames"] == 60
    assert "coordinates" not in listed["image_grounding"]["vlm"]
    run_listed(base, job, "auto-label-image-grounding")
    if version == "7.3.0":
        run_listed(tao_d, job)


def test_hydra_refuses_a_wrong_key(tao, job):
    check_refused(tao, job, "image_grounding.vlm.no_such_key=1")


def test_hydra_refuses_a_value_of_the_wrong_type(long_tao, job):
    check_refused(long_tao, job, "image_grounding.workflow.max_workers=many")


def check_refused(tao, job, override):
    done = generate(tao, job, override)
    check_failed(tao, done)
    assert override.partition("=")[0].rpartition(".")[2] in done.stdout
    assert job.teacher.questions == 0 and not job.results.exists()


def test_a_forced_key_is_refused_by_us(tao, job):
    done = generate(tao, job, "+image_grounding.vlm.max_retrys=1")
    check_failed(tao, done)
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "max_retrys" in last["message"]
    assert last["message"].startswith(tao.layout.failure("Parameter validation error"))
    assert "max_retries" in done.stdout


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_extra_body_takes_the_same_overrides_as_natively(long_tao, job, prefix):
    run_child(long_tao, job, f"{prefix}image_grounding.vlm.openai.extra_body.top_k=20",
              f"{prefix}image_grounding.vlm.openai.extra_body.a.b=c")
    assert job.teacher.last.document["top_k"] == 20 and job.teacher.last.document["a"] == {"b": "c"}


def test_a_missing_input_file_is_a_recorded_failure(tao, job):
    """Hydra prints all overrides of a run that fails."""
    done = generate(tao, job, KEY_OVERRIDE, "image_grounding.data.input_jsonl=/no/such.jsonl")
    check_failed(tao, done)
    check_hidden(job, done)
    assert "/no/such.jsonl" in done.stdout
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "/no/such.jsonl" in last["message"]
    assert last["message"].startswith(tao.layout.failure("File system error"))
    assert not any("kpi" in record for record in job.status())


@pytest.mark.parametrize(("overrides", "said"), [
    (["image_grounding.vlm.backend=gemini"], "GOOGLE_API_KEY"),
    (["image_grounding.vlm.openai.base_url=http://127.0.0.1:9/v1",
      "image_grounding.vlm.startup_patience=1"], "cannot be reached"),
    (["image_grounding.data.image_root=/no/such/folder"], "failed"),
], ids=["no API key", "endpoint down", "too many failures"])
def test_what_ends_a_run_is_in_its_failure_record(tao, job, overrides, said):
    done = generate(tao, job, *overrides)
    check_failed(tao, done)
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and said in last["message"], last
    assert last["message"].startswith(tao.layout.failure("Parameter validation error"))


def test_a_list_of_endpoints(tao, job):
    url = job.spec()["image_grounding"]["vlm"]["openai"]["base_url"]
    check_passed(generate(tao, job, f"image_grounding.vlm.openai.base_url=[{url}]"))
    check_annotations(job)


def test_with_two_gpus_one_rank_works(tao, job):
    check_passed(generate(tao, job, num_gpus=2))
    check_annotations(job)
    assert job.teacher.questions == 2 * RECORDS
    finished = [record for record in job.status() if "finished" in record["message"]]
    assert len(finished) == 1 and "kpi" in finished[0]


@pytest.mark.parametrize("size", ["2", "auto"])
def test_ranks_that_a_batch_system_sets_are_no_ranks_of_a_run(long_tao, job, size):
    """SLURM and Kubernetes jobs have RANK and WORLD_SIZE even if the work is not shared."""
    run_child(long_tao, job, env={"RANK": "1", "WORLD_SIZE": size, "SLURM_PROCID": "3"})
    check_annotations(job)
    assert job.status()[-1]["kpi"]["records"] == RECORDS


@pytest.mark.parametrize("name", ["run-12:30@nodeA", "here//alice@corp.com/results/"])
def test_any_folder_may_take_the_results(tao_d, job, name):
    results = f"{job.folder}//{name}"
    check_passed(tao_d.run("auto_label", "generate", "-e", str(job.write_spec(results_dir=results)),
                           cwd=job.folder))
    assert [path.parent.resolve() for path in job.folder.rglob("status.json")] == [
        path.parent.resolve() for path in job.folder.rglob("summary.json")]
    saved = yaml.safe_load((job.folder / name / "experiment.yaml").read_text())
    assert saved["results_dir"] == results


def test_kpis_are_in_one_record_where_the_frame_writes_more(long_tao, job, status_server):
    done = generate(long_tao, job, env={"CLOUD_BASED": "True",
                                        "TAO_LOGGING_SERVER_URL": status_server.url})
    check_passed(done)
    finished, uploading = [record for record in job.status() if "uploaded" in record["message"]
                           or "finished" in record["message"]]
    assert finished["kpi"]["records"] == RECORDS and "kpi" not in uploading
    assert [json.loads(text) for text in status_server.received] == job.status()


@pytest.fixture
def status_server():
    """What TAO's microservice is to the frame: it takes each record as it is written."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.received.append(body["status"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.received = []
    server.url = f"http://127.0.0.1:{server.server_port}/api/v1/jobs/1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_trouble_with_taos_logger_is_said_once_and_ends_no_run(tao_d, job, tmp_path):
    """A frame that is not as today's: its status logger refuses KPIs, its logger any record."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name != 'nvidia_tao_ds.core.logging.logging': return None\n"
        "        sys.meta_path.remove(self)\n"
        "        import importlib.util\n"
        "        spec = importlib.util.find_spec(name)\n"
        "        run = spec.loader.exec_module\n"
        "        def exec_module(module):\n"
        "            run(module)\n"
        "            def refuse(*_): raise TypeError('not here')\n"
        "            module.BaseLogger.kpi = property(lambda _: {}, lambda _, v: v and refuse())\n"
        "            module.logging.info = refuse\n"
        "        spec.loader.exec_module = exec_module\n"
        "        return spec\n"
        "sys.meta_path.insert(0, Finder())\n")
    done = generate(tao_d, job, env={"PYTHONPATH": str(tmp_path)})
    check_passed(done)
    check_annotations(job)
    assert done.stdout.count("cannot report to TAO") == 1, done.stdout
