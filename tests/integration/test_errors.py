"""Bad input: a clear message, exit status 1, nothing lost, no key printed."""

import json
import subprocess

import pytest
from support.program import environment, overrides, records, run, summary
from support.project import PROGRAM


def fails(spec, arguments, *said, **extra):
    done = run(spec, arguments, **extra)
    assert done.returncode == 1, done.stderr
    for text in said:
        assert text in done.stderr, done.stderr
    assert "terminate called" not in done.stderr
    return done


def test_wrong_key(spec, scenes, tmp_path):
    fails(spec, overrides(tmp_path / "o", scenes, "http://x", workflow__max_wokers=3),
          "max_wokers", "did you mean", "max_workers")
    assert not (tmp_path / "o").exists()


def test_wrong_type(spec, scenes, tmp_path):
    fails(spec, overrides(tmp_path / "o", scenes, "http://x", workflow__max_workers="many"),
          "max_workers", "many")


def test_missing_spec(tmp_path):
    fails(tmp_path / "none.yaml", [], "none.yaml")


def test_missing_input(spec, tmp_path):
    fails(spec, overrides(tmp_path / "o", tmp_path / "nowhere", "http://x"), "input_jsonl",
          "nowhere/captions.jsonl")


def test_no_key_for_gemini(spec, scenes, tmp_path):
    fails(spec, overrides(tmp_path / "o", scenes, "http://x", "gemini"), "GOOGLE_API_KEY",
          GOOGLE_API_KEY="")


def test_unreachable_endpoint(spec, scenes, tmp_path):
    # Port 1 of the loopback: nothing listens there.
    fails(spec, overrides(tmp_path / "o", scenes, "http://127.0.0.1:1", vlm__startup_patience=1),
          "cannot be reached", "base_url")


@pytest.mark.parametrize("backend", ["openai", "gemini"])
def test_refused_key_is_not_printed(backend, spec, scenes, start_teacher, tmp_path):
    teacher = start_teacher("--api-key", "the-right-one")
    done = fails(spec, overrides(tmp_path / "o", scenes, teacher.url, backend), "API key",
                 OPENAI_API_KEY="test-key-1234")
    everything = done.stdout + done.stderr + (tmp_path / "o" / "summary.json").read_text()
    assert "test-key-1234" not in everything
    assert summary(tmp_path / "o")["status"] == "failed"


def test_corrupt_images_and_lines(spec, teacher, scenes, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    whole = (scenes / "images").glob("*.jpg").__next__().read_bytes()
    (data / "whole.jpg").write_bytes(whole)
    (data / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (data / "text.jpg").write_text("no image")
    lines = [{"image_path": "whole.jpg", "caption": "A red circle."},
             {"image_path": "cut.jpg", "caption": "A red circle."},
             {"image_path": "text.jpg", "caption": "A red circle."},
             {"image_path": "none.jpg", "caption": "A red circle."},
             {"image_path": "whole.jpg", "caption": "A star."}]
    text = "\n".join(json.dumps(line) for line in lines)
    (data / "captions.jsonl").write_text("\ufeff" + text + "\n{broken\n\n[1]\n{\"caption\": \"x\"}\n")
    results = tmp_path / "out"
    done = run(spec, overrides(results, data, teacher.url, workflow__max_failure_ratio=0.9))
    assert done.returncode == 0, done.stderr
    labelled = records(results)
    assert [r["image_path"].rsplit("/", 1)[1] for r in labelled] == [
        "whole.jpg", "cut.jpg", "text.jpg", "none.jpg", "whole.jpg"]
    assert [r.get("error", {}).get("kind") for r in labelled] == [None, "image", "image", "image", None]
    failures = [json.loads(line) for line in (results / "failures.jsonl").read_text().splitlines()]
    assert [(f["line"], f["kind"]) for f in failures] == [
        (2, "image"), (3, "image"), (4, "image"), (6, "bad_line"), (8, "bad_line"), (9, "bad_line")]
    assert "failures.jsonl" in done.stderr
    assert run(spec, overrides(tmp_path / "strict", data, teacher.url)).returncode == 1


def test_help_and_version():
    for arguments in (["--help"], ["generate", "--help"], ["--version"]):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment())
        assert done.returncode == 0 and done.stdout
    assert subprocess.run([PROGRAM], capture_output=True).returncode == 1


def test_default_specs_can_be_run(spec, teacher, scenes, tmp_path):
    subprocess.run([PROGRAM, "default_specs", f"results_dir={tmp_path / 'spec'}"], check=True)
    done = run(tmp_path / "spec" / "experiment.yaml", overrides(tmp_path / "o", scenes, teacher.url))
    assert done.returncode == 0, done.stderr


def test_default_specs_keeps_an_edited_file(tmp_path):
    def write():
        return subprocess.run([PROGRAM, "default_specs", f"results_dir={tmp_path}"], check=True,
                              capture_output=True, text=True).stdout.splitlines()

    path = tmp_path / "experiment.yaml"
    assert write() == write() == [f"default spec: {path}"]
    path.write_text("mine: 1\n")
    kept = tmp_path / "experiment.previous.yaml"
    assert write() == [f"moved the existing {path} to {kept}", f"default spec: {path}"]
    assert kept.read_text() == "mine: 1\n"
    assert sorted(tmp_path.iterdir()) == [kept, path]
