"""Nothing is asked twice, whatever stops a run."""

import json
import shutil
import signal
import subprocess

import pytest
from support.program import overrides, records, run, start
from support.project import wait_until

WORKERS = 4
OUTPUTS = ("annotations.jsonl", "step_0_expression_extraction/annotations.jsonl",
           "step_1_grounding/annotations.jsonl")


def test_interrupted_and_killed_runs_go_on(start_teacher, scenes, spec, tmp_path):
    quick = start_teacher()
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert run(spec, overrides(whole, scenes, quick.url)).returncode == 0
    needed = quick.requests

    slow = start_teacher("--delay-ms", "30")
    arguments = overrides(part, scenes, slow.url, workflow__max_workers=WORKERS)
    process = start(spec, arguments)
    wait_until(lambda: slow.requests >= 20)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "interrupted" in errors and "Traceback" not in errors
    assert not (part / "annotations.jsonl").exists(), "nothing half is published"

    process = start(spec, arguments)
    wait_until(lambda: slow.requests >= 50)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)

    assert run(spec, arguments).returncode == 0
    # An interrupt lets what is in flight finish; a kill may lose what was in flight.
    assert needed <= slow.requests <= needed + WORKERS
    for name in OUTPUTS:
        assert (part / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list((part / ".state" / "tmp").iterdir()), "no temporary is left"

    before = slow.requests
    assert run(spec, arguments).returncode == 0
    assert slow.requests == before, "a finished run asks nothing"


def test_sigterm_ends_with_143(start_teacher, scenes, spec, tmp_path):
    slow = start_teacher("--delay-ms", "30")
    process = start(spec, overrides(tmp_path / "out", scenes, slow.url))
    wait_until(lambda: slow.requests >= 5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


def test_two_runs_at_once(start_teacher, scenes, spec, tmp_path):
    slow = start_teacher("--delay-ms", "30")
    arguments = overrides(tmp_path / "out", scenes, slow.url)
    first = start(spec, arguments)
    wait_until(lambda: slow.requests >= 5)
    second = run(spec, arguments)
    assert second.returncode == 1
    assert f"pid {first.pid}" in second.stderr
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=20)
    assert run(spec, arguments).returncode == 0, "a dead holder frees the lock"


def test_workers_do_not_change_a_byte(teacher, scenes, spec, tmp_path):
    outputs = set()
    for workers in (1, 4, 64):
        results = tmp_path / f"w{workers}"
        assert run(spec, overrides(results, scenes, teacher.url,
                                   workflow__max_workers=workers)).returncode == 0
        outputs.add((results / "annotations.jsonl").read_bytes())
    assert len(outputs) == 1


def test_steps_run_separately_write_the_same_bytes(teacher, scenes, spec, tmp_path):
    together, apart = tmp_path / "together", tmp_path / "apart"
    assert run(spec, overrides(together, scenes, teacher.url)).returncode == 0
    requests = teacher.requests
    for step in (0, 1):
        done = run(spec, overrides(apart, scenes, teacher.url, workflow__steps=f"[{step}]"))
        assert done.returncode == 0, done.stderr
    assert teacher.requests == 2 * requests
    for name in OUTPUTS:
        assert (apart / name).read_bytes() == (together / name).read_bytes(), name


def test_what_failed_in_an_edited_step_0_is_labelled_apart(teacher, scenes, spec, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    image = data / "images" / "scene_0000.png"
    whole = image.read_bytes()
    image.write_bytes(b"")
    results = tmp_path / "out"
    arguments = overrides(results, data, teacher.url)
    assert run(spec, [*arguments, "image_grounding.workflow.steps=[0]"]).returncode == 0
    edited = results / "step_0_expression_extraction" / "annotations.jsonl"
    edited.write_text(edited.read_text().replace('"noun_chunk": "', '"noun_chunk": "my ', 1))
    alone = run(spec, [*arguments, "image_grounding.workflow.steps=[1]"])
    assert alone.returncode == 0 and "in another results_dir" in alone.stderr
    image.write_bytes(whole)
    found = subprocess.run(["grep", '"error": {"step": "0"', results / "annotations.jsonl"],
                           capture_output=True, text=True, check=True).stdout
    apart = tmp_path / "apart"
    apart.mkdir()
    (apart / "captions.jsonl").write_text(found)
    done = run(spec, overrides(apart / "out", apart, teacher.url, data__image_root=""))
    assert done.returncode == 0, done.stderr
    [record] = map(json.loads, (apart / "out" / "annotations.jsonl").read_text().splitlines())
    assert "error" not in record and record["expressions"]
    assert record["pipeline_steps"] == ["step0_expression_extraction", "step1_grounding"]


def test_unique_image_ids(teacher, scenes, spec, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    lines = (data / "captions.jsonl").read_text().splitlines()[:4]
    for i, image_id in ((0, 7), (1, 7), (2, "alone")):
        lines[i] = json.dumps(json.loads(lines[i]) | {"image_id": image_id})
    (data / "captions.jsonl").write_text("\n".join([*lines, lines[3]]) + "\n")
    together, apart = tmp_path / "together", tmp_path / "apart"
    assert run(spec, overrides(together, data, teacher.url)).returncode == 0
    assert [record["image_id"] for record in records(together)[:3]] == [7, 7, "alone"]
    requests = teacher.requests
    unique = "image_grounding.data.unique_image_ids=true"
    assert run(spec, [*overrides(together, data, teacher.url), unique]).returncode == 0
    assert teacher.requests == requests, "checkpoints know nothing of it"
    ids = [record["image_id"] for record in records(together)]
    assert len(set(ids)) == len(ids) and ids[2] == "alone"
    assert ids[0].startswith("7-") and ids[4] == ids[3] + "-2"
    for step in (0, 1):
        arguments = overrides(apart, data, teacher.url, workflow__steps=f"[{step}]")
        assert run(spec, [*arguments, unique]).returncode == 0
    for name in OUTPUTS:
        assert (apart / name).read_bytes() == (together / name).read_bytes(), name


def as_stock_pipeline(results):
    """Makes of a step-0 result of ours what the stock pipeline leaves: whole records as checkpoints
    that go by `image_id`, nothing noted of the file."""
    step = results / "step_0_expression_extraction"
    for name in (step / ".ckpt", results / ".state"):
        shutil.rmtree(name)
    for name in (step / ".published.json", results / ".published.json", results / "annotations.jsonl"):
        name.unlink()
    (step / ".ckpt").mkdir()
    file = step / "annotations.jsonl"
    for line in file.read_text().splitlines():
        (step / ".ckpt" / f"{json.loads(line)['image_id']}.json").write_text(line)
    return file


def lines_edited(lines, edit):
    changed = [json.loads(line) for line in lines]
    if edit == "caption":
        changed[0]["cleaned_caption"] += "!"
    elif edit == "expression":
        changed[1]["expressions"].pop()
    elif edit == "deleted":
        changed.pop(2)
    elif edit == "added":
        changed.append(changed[0] | {"image_id": "new", "caption": "mine"})
    return "".join(json.dumps(record) + "\n" for record in changed)


@pytest.mark.parametrize("edit", ["none", "caption", "expression", "deleted", "added"])
def test_a_corrected_result_of_the_stock_pipeline(teacher, scenes, spec, tmp_path, edit):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    # One caption of each image: the stock pipeline keeps one checkpoint of equal ids.
    seen, kept = set(), []
    for line in (data / "captions.jsonl").read_text().splitlines():
        image = json.loads(line)["image_path"].rpartition("/")[2]
        if image not in seen and len(kept) < 6:
            kept.append(line)
        seen.add(image)
    (data / "captions.jsonl").write_text("\n".join(kept) + "\n")
    results = tmp_path / "out"
    first = overrides(results, data, teacher.url, workflow__steps="[0]")
    assert run(spec, first).returncode == 0
    file = as_stock_pipeline(results)
    file.write_text(lines_edited(file.read_text().splitlines(), edit))
    text, before = file.read_text(), teacher.requests
    arguments = overrides(results, data, teacher.url)
    if edit == "none":
        assert run(spec, first).returncode == 0
        assert teacher.requests == before
        assert (file.parent / "annotations.previous.jsonl").read_text() == text
        return
    for refused in (run(spec, first), run(spec, arguments), run(spec, [*arguments, "--dry-run"])):
        assert refused.returncode == 1
        assert 'steps=["1"]' in refused.stderr and "force_reprocess=true" in refused.stderr
    assert teacher.requests == before and file.read_text() == text
    assert run(spec, [*arguments, "image_grounding.workflow.steps=[1]"]).returncode == 0
    assert len(records(results)) == len(text.splitlines())
    assert records(results)[0]["cleaned_caption"] == json.loads(text.splitlines()[0])["cleaned_caption"]
    assert run(spec, [*arguments, "image_grounding.workflow.force_reprocess=true"]).returncode == 0
    assert len(records(results)) == len(kept)
    assert (file.parent / "annotations.previous.jsonl").read_text() == text
