"""What our presence must not change: other types, bare interpreters, an environment after us."""
from __future__ import annotations

import json

import pytest

MODULES = ("import sys; print('\\n'.join(sorted(set(sys.modules) "
           "- {'_auto_label_image_grounding_hook'})))")


def break_native(environment):
    package = environment.site_packages / "auto_label_image_grounding"
    next(package.glob("_native*.so")).write_bytes(b"not a shared library")


@pytest.mark.parametrize("kind", ["mal", "grounding_dino"])
def test_other_types_run_and_load_nothing_of_the_pipeline(tao, job, kind):
    done = tao.run("auto_label", "generate", "-e", str(job.write_spec(autolabel_type=kind)),
                   f"results_dir={job.results}", cwd=job.folder)
    assert done.returncode == 0 and "Execution status: PASS" in done.stdout, done.stdout
    loaded = set(json.loads((job.results / f"{kind}.json").read_text()))
    package = "auto_label_image_grounding"
    assert f"{package}._registration" in loaded
    assert not loaded & {f"{package}._native", f"{package}._dispatch", f"{package}._lifetime"}


@pytest.fixture(scope="module")
def broken(install_layout, tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = install_layout(name).copy(tmp_path_factory.mktemp("broken") / "venv")
            break_native(made[name])
        return made[name]

    return make


@pytest.mark.parametrize("layout", ["A", "D"])
def test_a_broken_native_module_breaks_our_type_alone(broken, job, layout):
    environment = broken(layout)
    mal = environment.run("auto_label", "generate", "-e",
                          str(job.write_spec(autolabel_type="mal")),
                          f"results_dir={job.results}", cwd=job.folder)
    assert mal.returncode == 0 and "Execution status: PASS" in mal.stdout, mal.stdout
    ours = environment.run("auto_label", "generate", "-e", str(job.write_spec()),
                           f"results_dir={job.results}", cwd=job.folder)
    assert ours.returncode == environment.layout.failed_exit
    last = job.status()[-1]
    assert last["status"] == "FAILURE" and "_native cannot be loaded" in last["message"]
    assert not (job.results / "stock_ran").exists()
    doctor = environment.run("python", "-m", "auto_label_image_grounding", "doctor", "--json",
                             cwd=job.folder)
    assert doctor.returncode == 1 and not json.loads(doctor.stdout)["native"]["loads"]


def test_a_broken_registration_leaves_the_others_alone(install_layout, job, tmp_path_factory):
    environment = install_layout("A").copy(tmp_path_factory.mktemp("unregistered") / "venv")
    package = environment.site_packages / "auto_label_image_grounding"
    (package / "_registration.py").write_text("raise RuntimeError('broken')\n")
    spec = job.folder / "spec.yaml"
    spec.write_text("autolabel_type: mal\n")
    done = environment.run("auto_label", "generate", "-e", str(spec),
                           f"results_dir={job.results}", cwd=job.folder)
    assert done.returncode == 0 and "Execution status: PASS" in done.stdout, done.stdout
    assert (job.results / "mal.json").exists() and "not registered" in done.stdout


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


def test_patching_twice_changes_nothing(tao, tmp_path):
    done = tao.run("python", "-c", (
        "import importlib; from nvidia_tao_ds.layout import CONFIG_ROOT\n"
        "from auto_label_image_grounding import _registration\n"
        "for name in (f'{CONFIG_ROOT}.config.auto_label.default_config',"
        " 'nvidia_tao_ds.core.decorators'):\n"
        "    module = importlib.import_module(name); before = dict(vars(module))\n"
        "    _registration.patch(module); assert vars(module) == before, name\n"
        "    found = [k for k, v in before.items() if _registration.is_ours(v)]; print(found)\n"),
        cwd=tmp_path)
    assert done.stdout.split() == ["['ExperimentConfig']", "['monitor_status']"], done.stderr


def test_the_class_takes_our_type_and_still_refuses_unknown_ones(tao, tmp_path):
    done = tao.run("python", "-c", (
        "import importlib; from nvidia_tao_ds.layout import CONFIG_ROOT\n"
        "C = importlib.import_module(f'{CONFIG_ROOT}.config.auto_label.default_config')"
        ".ExperimentConfig\n"
        "print(C(autolabel_type='image_grounding').image_grounding.vlm.coordinates)\n"
        "try:\n    C(autolabel_type='nonsense')\n"
        "except AssertionError:\n    print('refused')\n"), cwd=tmp_path)
    assert done.stdout.split() == ["auto", "refused"], done.stderr


def test_uninstall_leaves_nothing(base, tmp_path):
    environment = base.copy(tmp_path / "venv")
    done = environment.run("python", "-m", "pip", "uninstall", "-y", "auto-label-image-grounding",
                           cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    left = [str(path.relative_to(environment.folder))
            for path in environment.folder.rglob("*")
            if "label" in path.name.lower() and "grounding" in path.name.lower()]
    assert left == []
    assert environment.run("python", "-c", "pass", cwd=tmp_path).stderr == ""
