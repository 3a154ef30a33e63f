"""`alig.run` and `default_specs` in plain Python, and the doctor."""
from __future__ import annotations

import importlib.util
import json
import os
import re
import sys

import pytest
from environments import GPUS
from runs import KEY, RECORDS
from support.project import ROOT, read_jsonl
from teacher import BOX
from typeguard import check_type

RUN = """
import json, sys, auto_label_image_grounding as alig
spec = json.loads(sys.argv[1])
try:
    print(json.dumps(alig.run(spec, **json.loads(sys.argv[2]))))
except Exception as error:
    print(json.dumps({"raised": [kind.__name__ for kind in type(error).__mro__],
                      "message": str(error)}))
"""


def run(environment, spec, cwd, options=None, **extra):
    done = environment.run("python", "-c", RUN, json.dumps(spec), json.dumps(options or {}),
                           cwd=cwd, **extra)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def changed(spec, path, value):
    *parents, name = path.split(".")
    node = spec
    for parent in parents:
        node = node.setdefault(parent, {})
    node[name] = value
    return spec


def test_run_from_another_folder(base, job, tmp_path_factory):
    summary = run(base, job.spec(), tmp_path_factory.mktemp("elsewhere"))
    assert summary["records"]["done"] == RECORDS and summary["boxes"] == RECORDS
    assert len(job.annotations()) == RECORDS


def test_the_snippet_of_the_readme(base, job):
    """Unchanged except for the endpoint: it would ask Gemini."""
    snippet, = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    code = ("import json, sys, auto_label_image_grounding as alig\n"
            "def run(spec, run=alig.run, **options):\n"
            "    spec['image_grounding']['vlm'] = json.loads(sys.argv[1])\n"
            "    return run(spec, **options)\n"
            f"alig.run = run\n{snippet}\nprint(json.dumps(summary))\n")
    (job.folder / "images").mkdir()
    for image in job.folder.glob("*.png"):
        image.rename(job.folder / "images" / image.name)
    (job.folder / "in.jsonl").rename(job.folder / "captions.jsonl")
    vlm = job.spec()["image_grounding"]["vlm"]
    done = base.run("python", "-c", code, json.dumps(vlm), cwd=job.folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"]["done"] == RECORDS
    assert len(read_jsonl(job.folder / "out" / "annotations.jsonl")) == RECORDS


@pytest.mark.parametrize("name", ["plain", "it's", "a 'b'", "[x] {y}", "größe", "back\\'s\\"])
def test_results_dir_replaces_the_specs(base, job, name):
    where = job.folder / name
    run(base, job.spec(results_dir="/nonexistent"), job.folder, {"results_dir": str(where)})
    assert (where / "annotations.jsonl").exists(), sorted(p.name for p in job.folder.iterdir())


@pytest.mark.parametrize(("path", "value", "kind", "message"), [
    ("image_grounding.vlm.no_such_key", 1, "ValueError", "no_such_key"),
    ("image_grounding.vlm.max_retrys", 1, "ValueError", "max_retries"),
    ("image_grounding.workflow.max_workers", "many", "ValueError", "max_workers"),
    ("image_grounding.data.input_jsonl", "/no/such.jsonl", "FileNotFoundError", "/no/such.jsonl"),
    ("image_grounding.vlm.backend", "gemini", "ValueError", "GOOGLE_API_KEY"),
    ("image_grounding.workflow.steps", ["1"], "FileNotFoundError", "step"),
    ("image_grounding.vlm.openai.extra_body", [1], "ValueError", "extra_body"),
])
def test_errors_have_the_types_that_tao_records(base, job, path, value, kind, message):
    failed = run(base, changed(job.spec(), path, value), job.folder)
    assert kind in failed["raised"] and message in failed["message"], failed


def test_a_spec_that_is_no_spec(base, job):
    failed = run(base, 7, job.folder)
    assert "TypeError" in failed["raised"] and "int" in failed["message"]


def test_an_error_names_the_spec_file(base, job):
    path = job.folder / "spec.yaml"
    path.write_text("autolabel_type: image_grounding\nimage_grounding:\n  nonsense: 1\n")
    failed = run(base, str(path), job.folder)
    assert str(path) in failed["message"] and "nonsense" in failed["message"], failed


def test_only_rank_zero_works(base, job):
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}
    assert run(base, job.spec(), job.folder, RANK="1", **torchrun) is None
    assert job.teacher.questions == 0
    assert run(base, job.spec(), job.folder, RANK="0", **torchrun)["status"]
    assert job.teacher.questions == 2 * RECORDS


@pytest.fixture(scope="module")
def reports():
    """The types of what is returned, as the package states them."""
    path = ROOT / "entrypoint/python/auto_label_image_grounding/_reports.py"
    spec = importlib.util.spec_from_file_location("reports", path)
    module = sys.modules["reports"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dry_run_and_evaluation(base, job, reports):
    code = """
import json, sys
import auto_label_image_grounding as alig
spec, truth = json.loads(sys.argv[1]), sys.argv[2]
dry = alig.dry_run(spec)
seen = []
summary = alig.run(spec, on_progress=seen.append)
found = alig.evaluate(spec["results_dir"] + "/annotations.jsonl", truth, worst=1)
failures = []
for call in (lambda: alig.evaluate("/no/such.jsonl", truth), lambda: alig.dry_run({"nonsense": 1})):
    try:
        call()
    except Exception as error:
        failures.append(type(error).__name__)
print(json.dumps([dry, summary, seen, found, failures]))
"""
    truth = job.folder / "truth.jsonl"
    truth.write_text("".join(json.dumps({
        **record, "gt": [{"phrase": f"red ball {number}", "boxes": [BOX if number else [0, 0, 9, 9]]}]})
        + "\n" for number, record in enumerate(read_jsonl(job.folder / "in.jsonl"))))
    done = base.run("python", "-c", code, json.dumps(job.spec()), str(truth), cwd=job.folder)
    assert done.returncode == 0, done.stderr
    dry, summary, progress, found, failures = json.loads(done.stdout)
    check_type(dry, reports.DryRun)
    check_type(summary, reports.Summary)
    check_type(progress, list[reports.Progress])
    check_type(found, reports.Evaluation)
    assert (dry["records"], dry["requests"]) == (RECORDS, {"extraction": RECORDS, "grounding": RECORDS})
    assert "stand-in" in dry["endpoint"]
    assert found["boxes"]["truth"] == RECORDS and found["boxes"]["matched"] == RECORDS - 1
    assert [worst["truth_line"] for worst in found["worst"]] == [1]
    assert failures == ["FileNotFoundError", "ValueError"]


SURROGATES = """
import json, os, sys
import auto_label_image_grounding as alig
spec, odd = json.loads(sys.argv[1]), os.fsdecode(b"caf\\xe9")
block = spec["image_grounding"]
block["vlm"]["openai"]["api_key"] = sys.argv[2]
os.mkdir(odd)
os.link(block["data"]["input_jsonl"], odd + "/in.jsonl")
block["data"]["input_jsonl"] = odd + "/in.jsonl"
print(alig.run(spec, results_dir=odd)["records"]["done"], os.path.exists(odd + "/annotations.jsonl"),
      alig.default_specs(odd) == odd + "/experiment.yaml")
block["data"]["input_jsonl"] = odd + "/none.jsonl"
for call in (lambda: alig.run(spec, results_dir=odd), lambda: alig.evaluate(odd + "/none.jsonl", odd),
             lambda: alig.dry_run({"image_grounding": block | {"a\\ud800": 1}})):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, ascii(str(error)))
"""


def test_names_that_are_not_utf8_are_paths_like_any_other(base, job):
    """pybind11 shows all arguments of a call that it refuses: the spec, with its API key."""
    done = base.run("python", "-c", SURROGATES, json.dumps(job.spec()), KEY, cwd=job.folder)
    assert done.returncode == 0 and KEY not in done.stdout + done.stderr, done.stderr
    labelled, *failures = done.stdout.splitlines()
    assert labelled == f"{RECORDS} True True"
    assert [failure.partition(" ")[0] for failure in failures] == [
        "FileNotFoundError", "FileNotFoundError", "ValueError"]
    assert all("caf\\udce9/none.jsonl" in failure for failure in failures[:2]), failures


def test_omegaconf_progress_and_log(base, job):
    code = """
import json, logging, sys
from omegaconf import OmegaConf
import auto_label_image_grounding as alig
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s")
spec = OmegaConf.create(json.loads(sys.argv[1]))
spec.image_grounding.data.image_root = spec.image_grounding.data.input_jsonl.rpartition("/")[0]
spec.image_grounding.data.input_jsonl = "${image_grounding.data.image_root}/in.jsonl"
seen = []
alig.run(spec, on_progress=seen.append)
print(json.dumps([alig.__version__, seen[-1]]))
"""
    done = base.run("python", "-c", code, json.dumps(job.spec()), cwd=job.folder)
    assert done.returncode == 0, done.stderr
    version, progress = json.loads(done.stdout)
    assert version[0].isdigit() and progress["records"] == RECORDS
    assert "auto_label_image_grounding" in done.stderr


def test_an_exception_in_a_callback_ends_the_run(base, job):
    code = ("import json, sys, auto_label_image_grounding as alig\n"
            "def stop(progress): raise LookupError('enough')\n"
            "try:\n    alig.run(json.loads(sys.argv[1]), on_progress=stop)\n"
            "except LookupError as error:\n    print(error)\n")
    done = base.run("python", "-c", code, json.dumps(job.spec()), cwd=job.folder)
    assert done.stdout.strip() == "enough", done.stderr


def test_default_specs_run_again(base, job):
    code = ("import sys, auto_label_image_grounding as alig\n"
            "print(alig.default_specs(sys.argv[1]))\n")
    done = base.run("python", "-c", code, str(job.folder / "new"), cwd=job.folder)
    assert done.stdout.strip() == str(job.folder / "new" / "experiment.yaml"), done.stderr
    assert "MEDIA_RESOLUTION_HIGH" in (job.folder / "new" / "experiment.yaml").read_text()


def test_default_specs_keeps_an_edited_file(base, job):
    code = ("import sys, auto_label_image_grounding as alig\n"
            "alig.default_specs(sys.argv[1])\n")
    folder = job.folder / "new"
    for written in (None, "mine: 1\n"):
        if written:
            (folder / "experiment.yaml").write_text(written)
        done = base.run("python", "-c", code, str(folder), cwd=job.folder)
        assert done.returncode == 0, done.stderr
        assert len(done.stderr.splitlines()) == (1 if written else 0), done.stderr
    assert "experiment.previous.yaml" in done.stderr
    assert (folder / "experiment.previous.yaml").read_text() == "mine: 1\n"
    assert "MEDIA_RESOLUTION_HIGH" in (folder / "experiment.yaml").read_text()


def doctor(environment, cwd, *options, **extra):
    return environment.run("python", "-m", "auto_label_image_grounding", "doctor", *options,
                           cwd=cwd, **extra)


def test_doctor_rehearses_a_run_in_each_layout(tao, tmp_path):
    done = doctor(tao, tmp_path, "--json", OPENAI_API_KEY="sk-very-secret")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["problems"] == [] == found["notes"], found
    assert found["rehearsal"]["ok"] and found["gpus_visible"] == GPUS
    assert found["layout"]["config"].startswith(tao.layout.config_root)
    assert found["layout"]["stock_type"] == tao.layout.stock
    assert found["keys_in_environment"]["OPENAI_API_KEY"] is True
    assert "very-secret" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_calls_no_broken_reporting_ok(tao_d, tmp_path):
    """A frame whose status.json takes no KPIs: all of it is as expected, but a run would fail."""
    environment = tao_d.copy(tmp_path / "venv")
    module = environment.site_packages / "nvidia_tao_ds" / "core" / "logging" / "logging.py"
    module.write_text(module.read_text() + "\n\ndef _refuse(self, data):\n"
                      "    assert 'kpi' not in data, 'no KPIs here'\n    return json.dumps(data)\n\n"
                      "\nStatusLogger.format_data = _refuse\n")
    done = doctor(environment, tmp_path)
    assert done.returncode == 1 and "no KPIs here" in done.stdout, done.stdout


def test_doctor_says_when_no_gpu_is_visible(tao_a, tmp_path):
    done = doctor(tao_a, tmp_path, FAKE_GPUS="0")
    assert done.returncode == 0 and "NOTE" in done.stdout and "no GPU" in done.stdout, done.stdout


def test_doctor_rehearses_as_the_rank_that_a_batch_system_names(tao_d, tmp_path):
    done = doctor(tao_d, tmp_path, RANK="1", WORLD_SIZE="8", SLURM_PROCID="3")
    assert done.returncode == 0 and "rehearsal         passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name,script,said", [
    ("nvidia-smi", "#!/bin/sh\necho 'GPU 0: none (UUID: GPU-0)'; exit 1\n", "shows no GPU"),
    ("auto_label", "#!/no/such/python\n", "cannot be started"),
    ("auto_label", "#!/bin/sh\necho 'ImportError: x' >&2; exit 1\n", "--help` fails: ImportError: x"),
])
def test_doctor_tries_the_programs_of_the_dispatcher(tao_d, tmp_path, name, script, said):
    program = tmp_path / name
    program.write_text(script)
    program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(tao_d.bin), os.environ["PATH"]])
    done = doctor(tao_d, tmp_path, PATH=path)
    assert said in done.stdout and done.returncode == (name == "auto_label"), done.stdout


def test_doctor_without_tao_is_content(base, tmp_path):
    done = doctor(base, tmp_path)
    assert done.returncode == 0 and done.stdout.strip().endswith("ok"), done.stdout + done.stderr
    assert "GPU:" not in done.stdout


def test_doctor_sees_another_python_first_on_path(tao_a, bare, tmp_path):
    done = doctor(tao_a, tmp_path, PATH=str(bare.bin))
    assert done.returncode == 1 and str(bare.bin / "python") in done.stdout, done.stdout


def test_doctor_sees_an_inactive_hook(tao_a, tmp_path):
    environment = tao_a.without_hook(tmp_path / "unhooked")
    done = doctor(environment, tmp_path)
    assert done.returncode == 1 and "hook is not active" in done.stdout, done.stdout
