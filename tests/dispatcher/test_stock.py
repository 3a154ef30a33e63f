"""Beside TAO's own pipelines, as they really run: folders that stock left, and the reader of ours."""
from __future__ import annotations

import json
import shutil

import pytest
from environments import LAYOUTS
from runs import RECORDS, check_passed, run_child
from support.project import read_jsonl
from teacher import BOX

STEP_0 = "step_0_expression_extraction"


@pytest.fixture(scope="module")
def stock(install_layout, tmp_path_factory):
    """TAO 7.3.0 as it is without us."""
    return install_layout(LAYOUTS["7.3.0"]).without_hook(tmp_path_factory.mktemp("stock") / "venv")


@pytest.fixture
def stock_folder(stock, job):
    """What TAO 7.3.0's own image_grounding leaves after step 0; resets the teacher's count."""
    spec = job.spec(results_dir=str(job.results))
    del spec["image_grounding"]["vlm"]["coordinates"], spec["image_grounding"]["vlm"]["max_retries"]
    spec["image_grounding"]["vlm"]["openai"]["api_key"] = "none"
    (job.folder / "stock.yaml").write_text(json.dumps(spec))
    run_child(stock, job, "image_grounding.workflow.steps=[0]", spec="stock.yaml")
    assert len(list((job.results / STEP_0 / ".ckpt").iterdir())) == RECORDS == job.teacher.questions
    job.teacher.heal()
    return job.results / STEP_0 / "annotations.jsonl"


def write_lines(path, records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def test_its_step_0_is_taken_over(tao_d, job, stock_folder):
    run_child(tao_d, job)
    assert job.teacher.questions == RECORDS  # step 1 alone
    assert all(record["expressions"][0]["instances"][0]["bbox"] == BOX
               for record in job.annotations())


CORRECTIONS = {
    "a caption": lambda records: records[1].update(cleaned_caption="A red ball 1 is here."),
    "an expression": lambda records: records[0]["expressions"].clear(),
    "a line": lambda records: records.pop(),
}


@pytest.mark.parametrize("what", CORRECTIONS)
def test_its_corrected_step_0_is_refused_and_can_be_used(tao_d, job, stock_folder, what):
    records = read_jsonl(stock_folder)
    CORRECTIONS[what](records)
    write_lines(stock_folder, records)
    before = stock_folder.read_bytes()
    run_child(tao_d, job, fails=True)
    assert job.teacher.questions == 0 and stock_folder.read_bytes() == before
    assert "steps=" in job.status()[-1]["message"]
    run_child(tao_d, job, "image_grounding.workflow.steps=[1]")
    assert [record["cleaned_caption"] for record in job.annotations()] == [
        record["cleaned_caption"] for record in records]


def test_its_step_0_that_is_emptied_or_broken_is_refused(tao_d, job, stock_folder):
    written = stock_folder.read_text()
    for text in ("", written + "# checked by me\n"):
        stock_folder.write_text(text)
        run_child(tao_d, job, fails=True)
        assert job.teacher.questions == 0 and stock_folder.read_text() == text


def read_by_neighbour(environment, job, annotations, name):
    """How many records TAO's image_referring_expression makes of a file of ours."""
    results = job.folder / name
    backend = {"backend": "openai", "openai": {"base_url": job.teacher.base_url,
                                               "model_name": "stand-in", "api_key": "none"}}
    (job.folder / "neighbour.yaml").write_text(json.dumps({
        "autolabel_type": "image_referring_expression", "results_dir": str(results),
        "image_referring_expression": {
            "vlm": backend, "workflow": {"steps": ["1"]},
            "data": {"input_annotations_jsonl": str(annotations)}}}))
    check_passed(environment.run("auto_label", "generate", "-e", "./neighbour.yaml",
                                 cwd=job.folder))
    return len(read_jsonl(results / "annotations.jsonl"))


def test_the_neighbour_that_merges_by_image_id_loses_no_record(tao_d, job):
    (job.folder / "other").mkdir()
    shutil.copy(job.folder / "0.png", job.folder / "other")
    lines = read_jsonl(job.folder / "in.jsonl")
    # The same image again, another caption; and an equal name in another folder.
    more = [{"image_path": "0.png", "caption": "Here is a red ball 7."},
            {"image_path": "other/0.png", "caption": "A red ball 8 lies there."}]
    write_lines(job.folder / "in.jsonl", lines + more)
    run_child(tao_d, job)
    assert read_by_neighbour(tao_d, job, job.results / "annotations.jsonl", "merged") == RECORDS
    run_child(tao_d, job, "image_grounding.data.unique_image_ids=true")
    ids = [record["image_id"] for record in job.annotations()]
    assert len(set(ids)) == RECORDS + len(more) and ids[1:3] == ["1", "2"], ids
    assert read_by_neighbour(tao_d, job, job.results / "annotations.jsonl",
                             "unique") == RECORDS + len(more)
