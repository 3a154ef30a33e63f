"""Labels are right: against scenes with known truth, and on real photographs."""

import json
from pathlib import Path

import pytest
from conftest import overrides, records, run, score, summary

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.parametrize("backend", ["openai", "gemini"])
def test_boxes_of_generated_scenes(backend, teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    done = run(spec, overrides(results, scenes, teacher.url, backend, workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    found = score(results, scenes / "truth.jsonl")
    assert found["mean_iou"] >= 0.9, found
    assert summary(results)["records"] == {"total": 60, "done": 60, "failed": 0, "bad_lines": 0}


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "Qwen/Qwen3-VL-8B", "gpt-5",
                                   "google/gemma-4-27b-it", "mistral-large-4", "grok-4"])
def test_boxes_in_the_convention_of_each_family(model, teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    done = run(spec, overrides(results, scenes, teacher.url, vlm__openai__model_name=model,
                               workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    assert score(results, scenes / "truth.jsonl")["mean_iou"] >= 0.9


def test_boxes_of_downscaled_pictures(teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    done = run(spec, overrides(results, scenes, teacher.url, vlm__max_image_side=400,
                               workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    assert score(results, scenes / "truth.jsonl")["mean_iou"] >= 0.9
    sizes = {(r["width"], r["height"]) for r in records(results)}
    assert max(max(size) for size in sizes) > 400, "sizes are those of the originals"


def test_unknown_fields_come_through_as_written(teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    assert run(spec, overrides(results, scenes, teacher.url, workflow__max_workers=8)).returncode == 0
    given = (scenes / "captions.jsonl").read_text().splitlines()
    lines = (results / "annotations.jsonl").read_text().splitlines()
    ours = {"image_path", "image_id", "width", "height", "source", "expressions", "cleaned_caption"}
    for before, after in zip(given, lines, strict=True):
        old, new = json.loads(before), json.loads(after)
        assert {k: v for k, v in old.items() if k not in ours}.items() <= new.items()
        if "1.50" in before:
            assert "1.50" in after


@pytest.mark.skipif(not PHOTOS.exists(), reason="the photographs are not here")
@pytest.mark.parametrize("backend", ["openai", "gemini"])
def test_real_photographs(backend, teacher, spec, tmp_path):
    results = tmp_path / "out"
    done = run(spec, overrides(results, PHOTOS, teacher.url, backend, workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    given = [json.loads(line) for line in (PHOTOS / "captions.jsonl").read_text().splitlines()]
    labelled = records(results)
    assert len(labelled) == len(given)
    boxes = 0
    for before, after in zip(given, labelled):
        assert after["image_path"] == str(PHOTOS / before["image_path"])
        for key in set(before) - {"image_path", "image_id", "width", "height", "source"}:
            assert after[key] == before[key], key
        for expression in after["expressions"]:
            span = expression["char_span"]
            if span is not None:
                assert after["cleaned_caption"][slice(*span)].lower() == expression["text"].lower()
            for instance in expression["instances"]:
                x1, y1, x2, y2 = instance["bbox"]
                assert 0 <= x1 < x2 <= after["width"] and 0 <= y1 < y2 <= after["height"]
                boxes += 1
    assert boxes > 0
    turned = next(r for r in labelled if "Landscape_6" in r["image_path"])
    assert (turned["width"], turned["height"]) == (1800, 1200), "EXIF orientation 6: upright"
