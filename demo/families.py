#!/usr/bin/env python3
"""How right the boxes of every model family come out: a table.

The demo teacher plays each family in turn (`--play`): it measures the image that it receives and
answers in that family's numbers and words, whatever the prompt says. The program is told nothing
but the model's name. For each family the table shows

  as sent      mean IoU with the truth, and the ceiling: what is left of the truth when it is
  side 512     rounded to the family's own grid (a 0-1000 grid is coarse in a large image)
  no handling  the same answers under a model name that says nothing: read as pixels

usage: demo/families.py [--scenes N] [--write FILE] [--check] [--quick]
  --write FILE  puts the table between the two marker comments of FILE (docs/labels.md)
  --check       exit status 1 where an IoU is more than 0.005 below its ceiling
  --quick       without the last column

Needs the three programs of BUILD, below; other places through ALIG_PROGRAM, ALIG_TEACHER and
ALIG_SCENES.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RELEASE = ROOT / "build" / "release"
PROGRAM = os.environ.get("ALIG_PROGRAM", RELEASE / "entrypoint/cli/auto-label-image-grounding")
TEACHER = os.environ.get("ALIG_TEACHER", RELEASE / "demo/teacher/demo-teacher")
SCENES = os.environ.get("ALIG_SCENES", RELEASE / "demo/scenes/demo-scenes")
BUILD = ("cmake --preset release && cmake --build --preset release "
         "--target alig_cli demo-teacher demo-scenes")
TOLERANCE = 0.005
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"

# One name of each family, with the prefixes and suffixes that such names have.
MODELS = [
    "google/gemini-2.5-pro", "google/gemma-4-27b-it", "moonshotai/Kimi-K2.6",
    "Qwen/Qwen2-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "Qwen/Qwen3-VL-8B-FP8",
    "nvidia/cosmos-reason1-7b", "nvidia/cosmos-reason2-8b", "nvidia/LocateAnything-3B",
    "nvidia/nemotron-nano-12b-v2-vl", "OpenGVLab/InternVL3-8B", "zai-org/GLM-4.5V",
    "doubao-seed-1.6-vision", "deepseek-ai/deepseek-vl2", "microsoft/Florence-2-large",
    "IDEA-Research/Rex-Omni", "mistral-large-4", "grok-4", "vikhyatk/moondream3",
    "AIDC-AI/Ovis2.5-9B", "gpt-5.2", "claude-opus-4-5", "my-own-model",
]


class Teacher:
    """A demo teacher that plays `model`; its requests are logged in `log`."""

    def __init__(self, log: Path, model: str):
        self.log = log
        log.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [TEACHER, "--port", "0", "--requests-log", log, "--play", model],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def answers(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def read_lines(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def label(results: Path, data: Path, url: str, model: str, step: str, max_side: int,
          structured: str):
    command = [PROGRAM, "generate", "-e", ROOT / "specs" / "demo.yaml", f"results_dir={results}",
               f"image_grounding.data.input_jsonl={data}/captions.jsonl",
               f"image_grounding.data.image_root={data}",
               f"image_grounding.vlm.openai.base_url={url}/v1",
               f"image_grounding.vlm.openai.model_name={model}",
               f"image_grounding.vlm.structured_output={structured}",
               f"image_grounding.vlm.max_image_side={max_side}",
               "image_grounding.vlm.coordinates=auto", f"image_grounding.workflow.steps=[\"{step}\"]",
               "image_grounding.workflow.max_workers=4"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"families: {model}: {done.stderr}")


def iou(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return wide * high / (both - wide * high)


def rounded(box, size, grid, bins=False):
    """A box of an image of this size after a way through numbers of this grid and back."""
    def there_and_back(value, side, steps):
        if bins:
            return round((min(int(value / side * steps), steps - 1) + 0.5) / steps * side)
        return round(round(value / side * steps) / steps * side)
    return [there_and_back(value, size[i % 2], grid[i % 2]) for i, value in enumerate(box)]


def truth_boxes(record):
    return [(truth["phrase"].lower(), box) for truth in record["gt"] for box in truth["boxes"]]


def mean_iou(truth, labelled):
    """Over all boxes of the truth; a box without a partner counts 0."""
    total, count = 0.0, 0
    for expected, found in zip(truth, labelled, strict=True):
        free = [(expression["text"].lower(), instance["bbox"])
                for expression in found["expressions"] for instance in expression["instances"]]
        for phrase, box in truth_boxes(expected):
            best = max((pair for pair in free if pair[0] == phrase),
                       key=lambda pair: iou(pair[1], box), default=None)
            count += 1
            if best is not None:
                total += iou(best[1], box)
                free.remove(best)
    return total / count


def ceiling(truth, answers):
    """The mean IoU of the truth with itself, rounded to the grid of each image's answer.

    The phrases that were asked tell which image an answer is about; where the captions of two
    images hold the same ones, their proportions do.
    """
    questions, proportions = {}, {}
    for record in truth:
        questions.setdefault(record["image_path"], set()).update(p for p, _ in truth_boxes(record))
        proportions[record["image_path"]] = record["width"] / record["height"]
    by_image = {}
    for answer in answers:
        asked = {expression["text"].lower() for expression in answer["expressions"]}
        received = answer["width"] / answer["height"]
        path, = (path for path, phrases in questions.items()
                 if phrases <= asked and 0.75 < proportions[path] / received < 1.33)
        by_image[path] = answer["grid"], answer["bins"]
    values = [iou(rounded(box, (record["width"], record["height"]),
                          *by_image[record["image_path"]]), box)
              for record in truth for _, box in truth_boxes(record)]
    return sum(values) / len(values)


class Trial:
    def __init__(self, folder: Path, scenes: int):
        self.folder, self.data = folder, folder / "data"
        subprocess.run([SCENES, "generate", "--out", self.data, "--count", str(scenes), "--seed",
                        "2", "--sizes", "extreme"], check=True)
        self.truth = read_lines(self.data / "truth.jsonl")
        self.extracted = folder / "extracted"
        with Teacher(folder / "log", "my-own-model") as teacher:
            label(self.extracted, self.data, teacher.url, "my-own-model", "0", 0, "auto")

    def run(self, plays: str, model: str, max_side: int, structured: str):
        """(mean IoU, ceiling) of step 1 with a teacher that plays one model and is called another."""
        results = self.folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(self.extracted, results)
        with Teacher(self.folder / "log", plays) as teacher:
            label(results, self.data, teacher.url, model, "1", max_side, structured)
            answers = teacher.answers()
        return mean_iou(self.truth, read_lines(results / "annotations.jsonl")), \
            ceiling(self.truth, answers), answers[0]["family"]


def make_table(trial: Trial, quick: bool):
    rows, below = [], []
    for model in MODELS:
        # As sent, the model answers in its own words; downscaled, under the schema: both are tried.
        whole, whole_ceiling, family = trial.run(model, model, 0, "off")
        small, small_ceiling, _ = trial.run(model, model, 512, "auto")
        bare = "-" if quick else f"{trial.run(model, 'some-name', 0, 'off')[0]:.4f}"
        rows.append(f"| {family} | `{model}` | {whole:.4f} | {whole_ceiling:.4f} | {small:.4f} | "
                    f"{small_ceiling:.4f} | {bare} |")
        print(rows[-1], file=sys.stderr)
        if whole < whole_ceiling - TOLERANCE or small < small_ceiling - TOLERANCE:
            below.append(model)
    head = ["| family | model name | mean IoU, as sent | ceiling | mean IoU, side 512 | ceiling | "
            "no handling |", "|---|---|---|---|---|---|---|"]
    return "\n".join(head + rows), below


def put_into(path: Path, table: str):
    text = path.read_text()
    before, rest = text.split(BEGIN)
    path.write_text(before + BEGIN + "\n" + table + "\n" + END + rest.split(END)[1])


def check_programs():
    missing = [str(path) for path in (PROGRAM, TEACHER, SCENES) if shutil.which(path) is None]
    if missing:
        sys.exit(f"families: {', '.join(missing)} cannot be run; build with: {BUILD} (in {ROOT})")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without the last column")
    options = parser.parse_args()
    check_programs()
    with tempfile.TemporaryDirectory() as folder:
        table, below = make_table(Trial(Path(folder), options.scenes), options.quick)
    print(table)
    if options.write:
        put_into(options.write, table)
    if options.check and below:
        sys.exit(f"families: more than {TOLERANCE} below the ceiling: {', '.join(below)}")


if __name__ == "__main__":
    main()
