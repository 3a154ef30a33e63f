"""What our presence must not change: other types, bare interpreters, an environment after us."""
from __future__ import annotations

import json
import re

from runs import check_failed, generate

MODULES = ("import sys; print('\\n'.join(sorted(set(sys.modules) "
           "- {'_auto_label_image_grounding_hook'})))")


def break_native(environment):
    package = environment.site_packages / "auto_label_image_grounding"
    next(package.glob("_native*.so")).write_bytes(b"not a shared library")


# Printed at a process's end, that of the dispatcher's child: which modules of ours it has.
LOADED = ("import atexit, sys\n"
          "atexit.register(lambda: print('loaded', *(m for m in sys.modules if m.startswith("
          "'auto_label_image_grounding')), file=sys.stderr))\n")
CHANGES = re.compile(r"\d+/\d+/\d+|\d+:\d+:\d+(,\d+)?|/\S*/(venv|pytest-\S*|tao)\S*|loaded.*")


# Our frame in a trace of theirs: the runner asks which type it is.
OUR_FRAME = re.compile(r'  File "[^"]*auto_label_image_grounding/_registration.py".*\n(?:    .*\n)+')


def run_other(environment, job, kind, name, *overrides):
    """`auto_label` with another type, and all that can be seen of it."""
    results = job.folder / name
    (job.folder / "other.yaml").write_text(f"# image_grounding: not\nautolabel_type: {kind}\n")
    (job.folder / "sitecustomize.py").write_text(LOADED)
    done = environment.run("auto_label", "generate", "-e", "./other.yaml",
                           f"results_dir={results}", *overrides, cwd=job.folder,
                           PYTHONPATH=str(job.folder))
    status = [(record["status"], record.get("message")) for record in map(
        json.loads, (results / "status.json").read_text().splitlines())]
    lines = [CHANGES.sub("", line).replace(name, "") for line in OUR_FRAME.sub("", done.stdout).splitlines()]
    saved = results / "experiment.yaml"
    config = saved.read_text().replace(str(results), "") if saved.exists() else None
    return (done.returncode, status, sorted(path.name for path in results.iterdir()),
            lines, config), re.findall("loaded.*", done.stdout)


_runs_without_us: dict[tuple[str, str], tuple] = {}


def run_without_us(tao, job, kind):
    """The same with TAO alone: once for each layout and type."""
    key = (tao.layout.name, kind)
    if key not in _runs_without_us:
        _runs_without_us[key], _ = run_other(tao.without_hook(job.folder / "venv_without"), job,
                                             kind, "without")
    return _runs_without_us[key]


def test_a_type_that_passes_runs_as_without_us(tao, job):
    check_runs_as_without_us(tao, job, "mal")


def test_a_type_that_fails_runs_as_without_us(long_tao, job):
    """With the stubs of these tests."""
    check_runs_as_without_us(long_tao, job, "grounding_dino")


def test_a_key_of_another_type_is_its_own(tao_d, job):
    key = "video_reasoning_annotation.vlm.gemini.api_key=AIzaOfAnotherType"
    without = tao_d.without_hook(job.folder / "venv_without")
    with_us, loaded = run_other(tao_d, job, "mal", "with_us", key)
    assert with_us == run_other(without, job, "mal", "without", key)[0]
    assert "auto_label_image_grounding._secrets" not in loaded[-1]


def check_runs_as_without_us(tao, job, kind):
    with_us, loaded = run_other(tao, job, kind, "with_us")
    assert with_us == run_without_us(tao, job, kind)
    assert "auto_label_image_grounding._registration" in loaded[-1]
    for name in ("_native", "_dispatch", "_lifetime", "_frame", "_secrets"):
        assert f"auto_label_image_grounding.{name}" not in loaded[-1]


def test_a_broken_native_module_breaks_our_type_alone(tao, job):
    environment = tao.copy(job.folder / "venv")
    break_native(environment)
    assert run_other(environment, job, "mal", "broken")[0] == run_without_us(tao, job, "mal")
    done = generate(environment, job)
    check_failed(environment, done)
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "_native cannot be loaded" in last["message"]
    assert not (job.results / "step_0_expression_extraction").exists()  # stock did not run
    doctor = environment.run("python", "-m", "auto_label_image_grounding", "doctor", "--json",
                             cwd=job.folder)
    assert doctor.returncode == 1 and not json.loads(doctor.stdout)["native"]["loads"]


def test_a_broken_registration_leaves_the_others_alone(tao_a, job):
    environment = tao_a.copy(job.folder / "venv")
    package = environment.site_packages / "auto_label_image_grounding"
    (package / "_registration.py").write_text("raise RuntimeError('broken')\n")
    (returncode, _, _, lines, _), _ = run_other(environment, job, "mal", "results")
    assert returncode == 0 and "Execution status: PASS" in lines, lines
    assert any("not registered" in line for line in lines)


def test_uninstall_leaves_tao_as_it_was(tao, job):
    environment = tao.copy(job.folder / "venv")
    check_uninstalled(environment)
    after, loaded = run_other(environment, job, "mal", "after")
    assert after == run_without_us(tao, job, "mal") and loaded[-1].strip() == "loaded"
    if not environment.layout.stock:
        done = environment.run("auto_label", "generate", "-e", str(job.write_spec()),
                               cwd=job.folder)
        assert "image_grounding" in done.stdout and "Execution status: FAIL" in done.stdout


def check_uninstalled(environment):
    environment.uninstall()
    left = [str(path.relative_to(environment.folder))
            for path in environment.folder.rglob("*")
            if "label" in path.name.lower() and "grounding" in path.name.lower()]
    assert not [path for path in left if "nvidia_tao" not in path], left


def test_a_bare_interpreter_imports_the_hook_alone(bare, base, tmp_path):
    without, with_us = (environment.run("python", "-c", MODULES, cwd=tmp_path).stdout.splitlines()
                        for environment in (bare, base))
    assert with_us == without
    hook = base.run("python", "-c", "import sys; print('_auto_label_image_grounding_hook' in "
                    "sys.modules)", cwd=tmp_path)
    assert hook.stdout.strip() == "True"


def test_importing_the_package_does_not_load_the_native_module(base, tmp_path):
    done = base.run("python", "-c", "import sys, auto_label_image_grounding; "
                    "print([m for m in sys.modules if m.endswith('_native')])", cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_patched_classes(tao, tmp_path):
    """Patched once, whatever is asked; ours is taken, an unknown type still refused; and TAO's API
    makes a JSON schema of it in which our type is allowed."""
    root = tao.layout.config_root
    done = tao.run("python", "-c", PATCHED, root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["patched"] == [["ExperimentConfig"], ["monitor_status"]]
    assert found["coordinates"] == "auto" and found["unknown_refused"] is True
    kind = found["schema"]["properties"]["autolabel_type"]
    assert "image_grounding" in kind["enum"] and "mal" in kind["enum"], kind
    block = found["schema"]["properties"]["image_grounding"]["properties"]
    assert block["vlm"]["properties"]["coordinates"]["default"] == "auto"
    assert "extra_body" in block["vlm"]["properties"]["openai"]["properties"]


PATCHED = """
import importlib, json, sys
from auto_label_image_grounding import _registration
found = {"patched": []}
config = f"{sys.argv[1]}.config.auto_label.default_config"
for name in (config, "nvidia_tao_ds.core.decorators"):
    module = importlib.import_module(name)
    before = dict(vars(module))
    _registration.patch(module)
    assert vars(module) == before, name
    found["patched"].append([k for k, v in before.items() if _registration.is_ours(v)])
C = importlib.import_module(config).ExperimentConfig
found["coordinates"] = C(autolabel_type="image_grounding").image_grounding.vlm.coordinates
try:
    C(autolabel_type="nonsense")
    found["unknown_refused"] = False
except AssertionError:
    found["unknown_refused"] = True
from nvidia_tao_core.api_utils import dataclass2json_converter as converter
found["schema"] = converter.create_json_schema(converter.dataclass_to_json(C()))
print(json.dumps(found))
"""
