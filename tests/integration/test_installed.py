"""The program as `cmake --install` lays it out, with and without the module that decodes images."""

import subprocess

import pytest
from support.program import environment, overrides, summary
from support.project import RELEASE

MODULE = RELEASE / "lib/alig_image_change.so"


@pytest.fixture
def installed(tmp_path):
    if not MODULE.exists():
        pytest.skip("OpenCV is linked into the program: there is no module")
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", RELEASE, "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL)
    return prefix


def label(installed, spec, *arguments):
    return subprocess.run([installed / "bin/auto-label-image-grounding", "generate", "-e", spec,
                           *arguments], capture_output=True, text=True, env=environment())


def loads_opencv(program):
    return "opencv" in subprocess.run(["ldd", program], capture_output=True, text=True).stdout


def test_images_are_decoded_by_the_module(installed, spec, scenes, teacher, tmp_path):
    assert not loads_opencv(installed / "bin/auto-label-image-grounding")
    results = tmp_path / "results"
    done = label(installed, spec, *overrides(results, scenes, teacher.url, vlm__max_image_side=300))
    assert done.returncode == 0, done.stderr
    assert summary(results)["records"]["failed"] == 0


# No image is silently sent as it is, and no record asked without its image.
def test_a_missing_module_ends_the_run(installed, spec, scenes, teacher, tmp_path):
    (installed / "lib/auto_label_image_grounding/alig_image_change.so").unlink()
    results = tmp_path / "results"
    done = label(installed, spec, *overrides(results, scenes, teacher.url, vlm__max_image_side=300,
                                             data__on_missing_image="text_only"))
    assert done.returncode != 0
    assert "images cannot be decoded: alig_image_change.so" in done.stderr
    assert "Install the program again" in done.stderr
    assert teacher.requests == 0
