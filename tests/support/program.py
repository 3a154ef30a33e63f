"""Runs of the native program, and what they wrote."""

import json
import os
import subprocess
from pathlib import Path

from support.project import PROGRAM, read_jsonl


def overrides(results, data, url, backend="openai", **extra):
    """Command line for one run; keyword `a__b=1` means image_grounding.a.b=1."""
    out = [f"results_dir={results}", f"image_grounding.vlm.backend={backend}",
           f"image_grounding.data.input_jsonl={data}/captions.jsonl",
           f"image_grounding.data.image_root={data}",
           f"image_grounding.vlm.openai.base_url={url}/v1",
           "image_grounding.vlm.openai.model_name=demo-teacher",
           f"image_grounding.vlm.gemini.base_url={url}", "image_grounding.vlm.gemini.model=gemini-demo"]
    return out + [f"image_grounding.{key.replace('__', '.')}={value}" for key, value in extra.items()]


def environment(**extra):
    clean = {key: value for key, value in os.environ.items() if not key.endswith("API_KEY")}
    return clean | {"GOOGLE_API_KEY": "test-key-1234"} | extra


def command(spec, arguments):
    return [PROGRAM, "generate", "-e", spec, *arguments]


def run(spec, arguments, **extra_environment):
    return subprocess.run(command(spec, arguments), capture_output=True, text=True, timeout=300,
                          env=environment(**extra_environment))


def start(spec, arguments):
    return subprocess.Popen(command(spec, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=environment())


def records(results):
    return read_jsonl(Path(results) / "annotations.jsonl")


def summary(results):
    return json.loads((Path(results) / "summary.json").read_text())


def score(results, truth):
    """What `evaluate` says; a false span, a missing record or another order fails here."""
    done = subprocess.run([PROGRAM, "evaluate", "--pred", Path(results) / "annotations.jsonl",
                           "--truth", truth, "--json", "--strict"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
