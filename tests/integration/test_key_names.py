"""Keys that messages and pages name: they exist, and can be pasted as overrides."""
from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from support.project import PROGRAM, ROOT

BLOCKS = "vlm|data|workflow|output|prompts|evaluation"
FULL = re.compile(r"image_grounding\.((?:%s)\.[a-z_.]*[a-z_])" % BLOCKS)
BARE = re.compile(r"(?<![\w./])((?:%s)\.[a-z][a-z_.]*[a-z_])(?![\w(])" % BLOCKS)
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')
SOURCES = sorted((ROOT / "auto_label_image_grounding").glob("*/*.cc")) + sorted(
    (ROOT / "auto_label_image_grounding").glob("*/*.h")) + sorted((ROOT / "entrypoint").rglob("*.cc"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def paths_in(node, path=""):
    for name, value in node.items():
        below = f"{path}.{name}" if path else name
        yield below
        if isinstance(value, dict):
            yield from paths_in(value, below)


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("spec")
    subprocess.run([PROGRAM, "default_specs", f"results_dir={folder}"], check=True,
                   capture_output=True)
    spec = yaml.safe_load((folder / "experiment.yaml").read_text())
    return set(paths_in(spec["image_grounding"]))


def is_known(name: str, known: set[str]) -> bool:
    free = ("vlm.openai.extra_body.", "vlm.openai.extra_headers.")
    return name in known or name.startswith(free) or any(
        path.startswith(name.rstrip("_.*")) for path in known if name.endswith("_"))


def literals():
    for path in SOURCES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.partition("//")[0] if '"' not in line.partition("//")[0] else line
            for literal in LITERAL.findall(code):
                if not code.startswith("#include"):
                    yield f"{path.relative_to(ROOT)}:{number}", literal


def test_keys_in_messages_exist(known):
    names = {(where, name) for where, literal in literals() for name in FULL.findall(literal)}
    constants = re.findall(r'ALIG_KEY\(\w+, "([\w.]+)"\)',
                           (ROOT / "auto_label_image_grounding/base/key_names.h").read_text())
    assert len(constants) > 20
    assert [name for name in constants if name not in known] == []
    assert [pair for pair in names if not is_known(pair[1], known)] == []


def test_messages_name_keys_by_their_full_paths():
    """Except below spec/: the table there has paths relative to the block."""
    bare = [(where, literal) for where, literal in literals() if BARE.search(literal)
            and "/spec/" not in where and "base/key_names.h" not in where]
    assert bare == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_keys_on_pages_exist(known, page):
    text = page.read_text()
    names = set(FULL.findall(text)) | set(re.findall(r"`(%s\.[a-z_.]*[a-z_])\b" % BLOCKS, text))
    assert [name for name in names if not is_known(name, known)] == []


def test_the_default_spec_is_the_generated_one(tmp_path):
    subprocess.run([PROGRAM, "default_specs", f"results_dir={tmp_path}"], check=True,
                   capture_output=True)
    generated = (tmp_path / "experiment.yaml").read_text()
    assert (ROOT / "specs" / "default.yaml").read_text() == generated
