"""`generate --dry-run`: everything is checked, nothing is written, nothing is asked that costs."""

import fcntl
import shutil
import subprocess

import pytest
from support.program import command, environment, overrides, run


def dry_run(spec, arguments, **extra_environment):
    program, generate, *rest = command(spec, arguments)
    return subprocess.run([program, generate, "--dry-run", *rest], capture_output=True, text=True,
                          timeout=60, env=environment(**extra_environment))


@pytest.mark.parametrize("backend", ["openai", "gemini"])
def test_says_what_a_run_would_ask(backend, teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    done = dry_run(spec, overrides(results, scenes, teacher.url, backend))
    assert done.returncode == 0, done.stderr
    assert "records   60, and 0 lines" in done.stdout
    assert "images    55, 0 of them cannot be read" in done.stdout
    assert "requests  about 115: 60 for step 0 (0 records are done), 55 for step 1" in done.stdout
    assert teacher.requests == 0
    assert not results.exists()


def test_counts_what_is_done(teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    arguments = overrides(results, scenes, teacher.url)
    assert run(spec, [*arguments, "image_grounding.workflow.steps=[0]"]).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    done = dry_run(spec, arguments)
    assert "requests  about 55: 0 for step 0 (60 records are done), 55 for step 1" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_the_estimate_is_what_a_run_asks(teacher, scenes, spec, tmp_path):
    arguments = overrides(tmp_path / "out", scenes, teacher.url)
    assert "requests  about 115" in dry_run(spec, arguments).stdout
    assert run(spec, arguments).returncode == 0
    assert teacher.requests == 115


def test_a_model_that_is_not_listed_is_a_warning_that_names_those_that_are(teacher, scenes, spec, tmp_path):
    done = dry_run(spec, overrides(tmp_path / "out", scenes, teacher.url,
                                   vlm__openai__model_name="other"))
    assert done.returncode == 0
    assert 'does not list the model "other"; it lists demo-teacher. If' in done.stdout
    tagged = dry_run(spec, overrides(tmp_path / "out", scenes, teacher.url,
                                     vlm__openai__model_name="'demo/demo-teacher:latest'"))
    assert '"demo-teacher" differs in its provider prefix or tag alone' in tagged.stdout


@pytest.mark.parametrize("backend, variable", [("openai", "OPENAI_API_KEY"),
                                               ("gemini", "GOOGLE_API_KEY")])
def test_a_wrong_key_is_refused_and_not_printed(backend, variable, start_teacher, scenes, spec,
                                                tmp_path):
    teacher = start_teacher("--api-key", "right")
    arguments = overrides(tmp_path / "out", scenes, teacher.url, backend)
    wrong = dry_run(spec, arguments, **{variable: "wrong-secret-17"})
    assert wrong.returncode == 1
    assert "Check the API key" in wrong.stderr
    assert "wrong-secret-17" not in wrong.stdout + wrong.stderr
    assert dry_run(spec, arguments, **{variable: "right"}).returncode == 0


def test_an_endpoint_that_is_not_there(scenes, spec, tmp_path):
    done = dry_run(spec, overrides(tmp_path / "out", scenes, "http://127.0.0.1:9"))
    assert done.returncode == 1
    assert "http://127.0.0.1:9/v1/models does not answer" in done.stderr


def test_images_that_cannot_be_read(teacher, scenes, spec, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    (data / "images" / "scene_0000.png").unlink()
    (data / "images" / "scene_0001.webp").write_bytes(b"no image")
    arguments = overrides(tmp_path / "out", data, teacher.url)
    done = dry_run(spec, arguments)
    assert done.returncode == 0, done.stderr
    assert "2 of them cannot be read (2 records)" in done.stdout
    assert "scene_0000.png" in done.stderr and "scene_0001.webp" in done.stderr
    strict = dry_run(spec, [*arguments, "image_grounding.workflow.max_failure_ratio=0"])
    assert strict.returncode == 1 and "2 of 60 records would fail" in strict.stderr


def test_a_base_url_without_its_version(teacher, scenes, spec, tmp_path):
    arguments = overrides(tmp_path / "out", scenes, teacher.url)
    bare = f"image_grounding.vlm.openai.base_url={teacher.url}"
    done = dry_run(spec, [*arguments, bare])
    assert done.returncode == 1
    assert f"set image_grounding.vlm.openai.base_url={teacher.url}/v1" in done.stderr
    assert teacher.requests == 0
    ran = run(spec, [*arguments, bare])
    assert ran.returncode == 1 and "most servers want /v1 at its end" in ran.stderr


def test_results_that_a_run_would_not_replace(teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    arguments = overrides(results, scenes, teacher.url)
    assert run(spec, arguments).returncode == 0
    edited = results / "step_0_expression_extraction" / "annotations.jsonl"
    edited.write_text(edited.read_text() + "\n")
    done = dry_run(spec, arguments)
    assert done.returncode == 1 and "was edited since it was written" in done.stderr
    force = dry_run(spec, [*arguments, "image_grounding.workflow.force_reprocess=true"])
    assert force.returncode == 0, force.stderr
    assert "requests  about 115" in force.stdout, "nothing counts as done"


def test_a_results_dir_that_cannot_be_written(teacher, scenes, spec, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = dry_run(spec, overrides(tmp_path / "file" / "out", scenes, teacher.url))
    assert done.returncode == 1
    assert f"cannot write in {tmp_path / 'file'}: Not a directory" in done.stderr


def test_a_record_without_request_fails_over_its_image_too(teacher, spec, tmp_path):
    (tmp_path / "captions.jsonl").write_text('{"image_path": "gone.png", "caption": ""}\n')
    arguments = overrides(tmp_path / "out", tmp_path, teacher.url)
    done = dry_run(spec, arguments)
    assert done.returncode == 1 and "1 of 1 record would fail" in done.stderr
    ran = run(spec, arguments)
    assert ran.returncode == 1 and "1 of 1 record failed" in ran.stderr
    assert teacher.requests == 0


def test_what_is_finished_needs_its_image_no_more(teacher, scenes, spec, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    arguments = overrides(tmp_path / "out", data, teacher.url)
    assert run(spec, arguments).returncode == 0
    shutil.rmtree(data / "images")
    done = dry_run(spec, arguments)
    assert done.returncode == 0, done.stderr
    assert "images    55, 0 of them cannot be read (0 records)" in done.stdout
    assert run(spec, arguments).returncode == 0


def test_what_failed_in_step_0_counts_for_step_1_alone(teacher, scenes, spec, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    captions = data / "captions.jsonl"
    captions.write_text("nonsense\n" + captions.read_text())
    (data / "images" / "scene_0000.png").unlink()
    arguments = overrides(tmp_path / "out", data, teacher.url)
    assert run(spec, [*arguments, "image_grounding.workflow.steps=[0]"]).returncode == 0
    alone = [*arguments, "image_grounding.workflow.steps=[1]"]
    done = dry_run(spec, alone)
    assert done.returncode == 0, done.stderr
    assert "records   60, and 1 line without one; 1 failed in step 0" in done.stdout
    strict = [*alone, "image_grounding.workflow.max_failure_ratio=0"]
    refused = dry_run(spec, strict)
    assert refused.returncode == 1 and "2 of 61 records would fail" in refused.stderr
    ran = run(spec, strict)
    assert ran.returncode == 1 and "2 of 61 records" in ran.stderr


def test_a_folder_in_which_a_run_is_at_work(teacher, scenes, spec, tmp_path):
    results = tmp_path / "out"
    (results / ".state").mkdir(parents=True)
    arguments = overrides(results, scenes, teacher.url)
    with (results / ".state" / "lock").open("w") as lock:
        lock.write("host here, pid 17\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = dry_run(spec, arguments)
        assert done.returncode == 1
        assert "another run is working in" in done.stderr and "host here, pid 17" in done.stderr
    assert dry_run(spec, arguments).returncode == 0


def test_checkpoints_that_a_killed_run_was_discarding_count_for_nothing(teacher, scenes, spec,
                                                                         tmp_path):
    results = tmp_path / "out"
    arguments = overrides(results, scenes, teacher.url)
    assert run(spec, arguments).returncode == 0
    (results / ".state" / "discard").write_text("1")
    done = dry_run(spec, arguments)
    assert "requests  about 55: 0 for step 0 (60 records are done), 55 for step 1" in done.stdout
