"""Labels are right: against scenes with known truth, and on real photographs."""

import json
import os
import subprocess
import sys

import pytest
from support.program import overrides, records, run, score, summary
from support.project import ROOT, SHARED_DATA, needs_shared_data


@pytest.mark.parametrize("backend", ["openai", "gemini"])
def test_boxes_of_generated_scenes(backend, teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    done = run(spec, overrides(results, scenes, teacher.url, backend, workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    found = score(results, scenes / "truth.jsonl")
    assert found["mean_iou"] >= 0.9, found
    assert summary(results)["records"] == {"total": 60, "done": 60, "failed": 0, "bad_lines": 0}


def test_boxes_of_every_model_family():
    """Extreme sizes, EXIF, downscaled or not: within 0.005 of what the family's grid allows."""
    done = subprocess.run([sys.executable, ROOT / "demo" / "families.py", "--scenes", "8",
                           "--quick", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_families_names_a_program_that_was_not_built():
    done = subprocess.run([sys.executable, ROOT / "demo" / "families.py"], capture_output=True,
                          text=True, env={**os.environ, "ALIG_SCENES": "/nowhere/demo-scenes"})
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("families: /nowhere/demo-scenes ")
    assert "--target alig_cli demo-teacher demo-scenes" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_images_in_a_refused_format_are_transcoded(start_teacher, scenes, spec, tmp_path):
    teacher = start_teacher("--refuse", "image/webp")
    results = tmp_path / "out"
    done = run(spec, overrides(results, scenes, teacher.url, workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    assert summary(results)["records"]["failed"] == 0
    assert "image/webp" in " ".join(summary(results)["warnings"])
    assert score(results, scenes / "truth.jsonl")["mean_iou"] >= 0.99


def test_output_does_not_depend_on_the_number_of_workers(teacher, scenes, spec, tmp_path):
    outputs = set()
    for workers in (1, 4, 64):
        results = tmp_path / f"out{workers}"
        done = run(spec, overrides(results, scenes, teacher.url, workflow__max_workers=workers))
        assert done.returncode == 0, done.stderr
        outputs.add((results / "annotations.jsonl").read_bytes())
    assert len(outputs) == 1


def test_a_wrong_convention_is_doubted(start_teacher, scenes, spec, tmp_path):
    teacher = start_teacher("--play", "qwen3-vl")
    results = tmp_path / "out"
    done = run(spec, overrides(results, scenes, teacher.url, vlm__coordinates="pixel"))
    assert done.returncode == 0, done.stderr
    found = summary(results)
    assert found["coordinates"]["better"] == "xyxy_1000"
    assert any("vlm.coordinates=xyxy_1000" in warning for warning in found["warnings"])
    assert "vlm.coordinates=xyxy_1000" in done.stderr
    again = run(spec, overrides(results, scenes, teacher.url, vlm__coordinates="xyxy_1000"))
    assert again.returncode == 0, again.stderr
    assert summary(results)["coordinates"]["doubt"] is None
    assert score(results, scenes / "truth.jsonl")["mean_iou"] >= 0.98


def test_boxes_of_downscaled_images(teacher, scenes, spec, tmp_path):
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


@needs_shared_data
@pytest.mark.parametrize("backend", ["openai", "gemini"])
def test_real_photographs(backend, teacher, spec, tmp_path):
    results = tmp_path / "out"
    done = run(spec, overrides(results, SHARED_DATA, teacher.url, backend, workflow__max_workers=8))
    assert done.returncode == 0, done.stderr
    given = [json.loads(line) for line in (SHARED_DATA / "captions.jsonl").read_text().splitlines()]
    labelled = records(results)
    assert len(labelled) == len(given)
    boxes = 0
    for before, after in zip(given, labelled):
        assert after["image_path"] == str(SHARED_DATA / before["image_path"])
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
