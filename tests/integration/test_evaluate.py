"""The subcommand `evaluate`, as people call it."""

import json
import subprocess

import pytest
from support.program import overrides, run
from support.project import PROGRAM, SHARED_DATA, needs_shared_data


def evaluate(annotations, truth, *options):
    return subprocess.run([PROGRAM, "evaluate", "--pred", annotations, "--truth", truth, *options],
                          capture_output=True, text=True)


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def results(teacher, scenes, spec, tmp_path):
    done = run(spec, overrides(tmp_path / "out", scenes, teacher.url, workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    return tmp_path / "out"


def test_table_json_and_exit_status(results, scenes):
    truth = scenes / "truth.jsonl"
    table = evaluate(results / "annotations.jsonl", truth, "--strict", "--min-iou", "0.99")
    assert table.returncode == 0, table.stdout + table.stderr
    assert "pointing accuracy  1.0000" in table.stdout
    found = json.loads(evaluate(results / "annotations.jsonl", truth, "--json").stdout)
    assert found["records"]["total"] == 60 and found["spans"]["false"] == 0
    assert found["recall"]["0.9"] == found["precision"]["0.9"] == 1
    assert found["spans"]["true_ratio"] == found["spans"]["agreement"] == 1


@pytest.mark.parametrize("least, status", [("0.5", 0), ("0.51", 1), ("nan", 1)])
def test_min_iou_is_the_exit_status(least, status, tmp_path):
    truth = {"image_path": "a.jpg", "caption": "c", "gt": [{"phrase": "it", "boxes": [[0, 0, 10, 10]]}]}
    found = {"image_path": "/r/a.jpg", "caption": "c", "cleaned_caption": "c", "expressions": [
        {"text": "it", "char_span": None, "instances": [{"bbox": [0, 0, 10, 5], "score": 1}]}]}
    done = evaluate(write_lines(tmp_path / "a.jsonl", [found]),
                    write_lines(tmp_path / "t.jsonl", [truth]), "--min-iou", least)
    assert done.returncode == status, done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--worst=-1", "--worst=1001", "--min-iou=1.5"])
def test_options_out_of_range_are_refused(option, results, scenes):
    done = evaluate(results / "annotations.jsonl", scenes / "truth.jsonl", option)
    assert done.returncode == 1 and not done.stdout
    assert option.split("=")[0] in done.stderr


def test_worse_labels_are_judged_worse(results, scenes, tmp_path):
    spoilt = [json.loads(line) for line in (results / "annotations.jsonl").read_text().splitlines()]
    x1, y1, x2, y2 = spoilt[3]["expressions"][0]["instances"][0]["bbox"]
    spoilt[3]["expressions"][0]["instances"][0]["bbox"] = [x1, y1, x2, (y1 + y2) // 2]
    spoilt[7]["expressions"][0]["char_span"] = [1, 4]
    path = write_lines(tmp_path / "spoilt.jsonl", spoilt)
    found = json.loads(evaluate(path, scenes / "truth.jsonl", "--json").stdout)
    assert found["worst"][0]["truth_line"] == 4
    assert [x1, y1, x2, (y1 + y2) // 2] in found["worst"][0]["predicted_boxes"]
    assert len(found["worst"][0]["truth_boxes"]) >= 1
    assert found["recall"]["0.9"] < 1
    assert found["spans"]["false"] == 1
    strict = evaluate(path, scenes / "truth.jsonl", "--strict")
    assert strict.returncode == 1 and "line 8 of the annotations" in strict.stdout


@pytest.mark.parametrize("annotations, truth, complaint", [
    (None, [], "nowhere.jsonl"),
    ([{"image_path": "a", "caption": "c"}], [], "annotations.jsonl:1: \"expressions\" is missing"),
    ([], [{"image_path": "a"}], "truth.jsonl:1: \"caption\" is missing"),
    ([], [{"image_path": "a", "caption": "c", "boxes": []}], "truth.jsonl:1: \"gt\" is missing"),
    ([], [{"image_path": "a", "caption": "c", "gt": [{"phrase": "p", "boxes": [[90, 90, 20, 30]]}]}],
     "is it [x, y, width, height]?"),
])
def test_bad_files_are_named(annotations, truth, complaint, tmp_path):
    path = tmp_path / "nowhere.jsonl"
    if annotations is not None:
        path = write_lines(tmp_path / "annotations.jsonl", annotations)
    done = evaluate(path, write_lines(tmp_path / "truth.jsonl", truth))
    assert done.returncode == 1
    assert complaint in done.stderr


@needs_shared_data
def test_the_truth_judged_by_itself_is_perfect(tmp_path):
    truth = [json.loads(line) for line in (SHARED_DATA / "captions.jsonl").read_text().splitlines()]
    annotations = [{"image_path": "/data/" + record["image_path"], "caption": record["caption"],
                    "cleaned_caption": record["caption"],
                    "expressions": [{"text": gt["phrase"], "char_span": gt["span"],
                                     "instances": [{"bbox": box, "score": 1} for box in gt["boxes"]]}
                                    for gt in record["gt"] or []]} for record in truth]
    done = evaluate(write_lines(tmp_path / "a.jsonl", annotations), SHARED_DATA / "captions.jsonl",
                    "--json", "--strict")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mean_iou"] == found["recall"]["0.9"] == found["precision"]["0.9"] == 1
    assert found["spans"]["agree"] == found["spans"]["compared_with_truth"] == 77
