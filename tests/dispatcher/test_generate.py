"""`auto_label generate` and `default_specs`, in every layout."""
from __future__ import annotations

import json
import re

import pytest
import yaml

from conftest import RECORDS
from teacher import BOX

DRAWN = re.compile(r"Epoch \d+: \s*\d+%|\[.*\]")


def generate(tao, job, *overrides, **top):
    return tao.run("auto_label", "generate", "-e", str(job.write_spec(**top)),
                   f"results_dir={job.results}", *overrides, cwd=job.folder)


def check_passed(done):
    assert done.returncode == 0 and "Execution status: PASS" in done.stdout, done.stdout


def check_failed(tao, done):
    assert done.returncode == tao.layout.failed_exit, done.stdout
    assert "Execution status: FAIL" in done.stdout


def check_annotations(job):
    records = job.annotations()
    assert [record["expressions"][0]["text"] for record in records] == [
        f"red ball {number}" for number in range(RECORDS)]
    assert all(record["expressions"][0]["instances"][0]["bbox"] == BOX for record in records)


def test_generate_labels_and_records_its_status(tao, job):
    check_passed(generate(tao, job, "image_grounding.workflow.steps=[\"0\",\"1\"]"))
    check_annotations(job)
    status = job.status()
    assert [status[0]["status"], status[-1]["status"]] == ["STARTED", "RUNNING"]
    assert "finished successfully" in status[-1]["message"]
    kpi = status[-1]["kpi"]
    assert (kpi["records"], kpi["expressions"], kpi["boxes"], kpi["failed"]) == (
        RECORDS, RECORDS, RECORDS, 0)
    assert kpi["requests"] == 2 * RECORDS == job.teacher.requests
    assert not (job.results / "stock_ran").exists()


def test_each_message_is_printed_once_and_stays(tao_a, job):
    done = generate(tao_a, job)
    ours = [line for line in done.stdout.splitlines() if "image_grounding: " in line]
    assert ours and len(ours) == len(set(ours)), done.stdout
    for line in re.split("[\r\n]", done.stdout):
        assert "INFO image_grounding: " not in line or not DRAWN.search(line), line


def test_a_spec_of_the_stock_pipeline_stays_valid(tao, job):
    if not tao.layout.stock:
        pytest.skip("no stock pipeline in this layout")
    check_passed(generate(tao, job, "image_grounding.workflow.long_video_chunk=5"))
    check_annotations(job)


def test_default_specs_shows_our_block(tao, base, tmp_path):
    done = tao.run("auto_label", "default_specs", f"results_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    listed = yaml.safe_load((tmp_path / "experiment.yaml").read_text())
    keys = json.loads((base.site_packages / "auto_label_image_grounding" / "spec_keys.json")
                      .read_text())
    for key in keys:
        value = listed["image_grounding"]
        for name in key["path"].split("."):
            value = value[name]
        assert value == key["default"], key["path"]
    assert listed["image_grounding"]["vlm"]["gemini"]["media_resolution"] == "MEDIA_RESOLUTION_HIGH"
    assert listed["autolabel_type"] == "mal" and listed["grounding_dino"] == {"threshold": 0.3}


def test_the_listed_spec_runs_here_and_in_the_native_program(tao, job):
    tao.run("auto_label", "default_specs", f"results_dir={job.folder}", cwd=job.folder)
    data = job.spec()["image_grounding"]["data"]
    overrides = ["autolabel_type=image_grounding", f"results_dir={job.results}",
                 "image_grounding.vlm.backend=openai", "image_grounding.vlm.coordinates=pixel",
                 f"image_grounding.vlm.openai.base_url={job.teacher.base_url}",
                 "image_grounding.vlm.openai.model_name=stand-in",
                 *(f"image_grounding.data.{key}={value}" for key, value in data.items())]
    for command in ("auto_label", "auto-label-image-grounding"):
        done = tao.run(command, "generate", "-e", "./experiment.yaml", *overrides, cwd=job.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        check_annotations(job)
    assert job.teacher.requests == 2 * RECORDS  # the second one found all of it done


@pytest.mark.parametrize("override", ["image_grounding.vlm.no_such_key=1",
                                      "image_grounding.workflow.max_workers=many"])
def test_hydra_refuses_a_bad_override(tao, job, override):
    done = generate(tao, job, override)
    check_failed(tao, done)
    assert override.partition("=")[0].rpartition(".")[2] in done.stdout
    assert job.teacher.requests == 0 and not job.results.exists()


def test_a_forced_key_is_refused_by_us(tao, job):
    done = generate(tao, job, "+image_grounding.vlm.max_retrys=1")
    check_failed(tao, done)
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "max_retrys" in last["message"]
    assert last["message"].startswith("Parameter validation error: ")
    assert "max_retries" in done.stdout


def test_a_missing_input_file_is_a_recorded_failure(tao, job):
    check_failed(tao, generate(tao, job, "image_grounding.data.input_jsonl=/no/such.jsonl"))
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "/no/such.jsonl" in last["message"]
    assert last["message"].startswith("File system error: ")


def test_with_two_gpus_one_rank_works(tao, job):
    check_passed(generate(tao, job, num_gpus=2))
    check_annotations(job)
    assert job.teacher.requests == 2 * RECORDS
