"""Runs of the native program on small generated datasets, and what they left behind."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.images import png
from support.project import PROGRAM, read_jsonl

# Like no provider's key, so that only knowing it hides it; with characters that URLs must encode.
API_KEY = "Quagga/7731+okapi=Zebra"
OUTPUTS = ("annotations.jsonl", "step_0_expression_extraction/annotations.jsonl",
           "step_1_grounding/annotations.jsonl")
WORKERS = 4


@dataclass(frozen=True)
class Data:
    """`images` x `captions_each` records, two expressions each, in one folder."""
    folder: Path
    images: int
    captions_each: int

    @property
    def records(self):
        return self.images * self.captions_each

    @property
    def needed(self):
        """Requests of an undisturbed run: one a record, and one an image."""
        return self.records + self.images

    @property
    def captions(self):
        return [record["caption"] for record in read_jsonl(self.folder / "captions.jsonl")]


def make_data(folder, images, captions_each):
    folder.mkdir(parents=True)
    with (folder / "captions.jsonl").open("w") as lines:
        for image in range(images):
            (folder / f"{image}.png").write_bytes(png(64, 48, (image % 256, image // 256, 99)))
            for n in range(captions_each):
                caption = f"thing {image}.{n} and part {image}.{n}."
                record = {"image_path": f"{image}.png", "caption": caption, "weight": image + n}
                lines.write(json.dumps(record) + "\n")
    return Data(folder, images, captions_each)


class Job:
    """One results_dir and the command that fills it; each run() is one process."""

    def __init__(self, folder, data, endpoint, backend="openai", **settings):
        self.results, self.data = folder / "results", data
        self.backend, self.settings = backend, {"workflow__max_workers": WORKERS} | settings
        self.endpoint = endpoint
        folder.mkdir(parents=True, exist_ok=True)
        self.spec = folder / "spec.yaml"
        self.spec.write_text("results_dir: ???\nautolabel_type: image_grounding\n")

    def values(self, **changed):
        return {
            "vlm__backend": self.backend,
            "vlm__coordinates": "xyxy_1000",
            "vlm__openai__base_url": self.endpoint.url + "/v1",
            "vlm__openai__model_name": "chaos",
            "vlm__gemini__base_url": self.endpoint.url,
            "data__input_jsonl": self.data.folder / "captions.jsonl",
            "data__image_root": self.data.folder,
        } | self.settings | changed

    def command(self, **changed):
        return [str(PROGRAM), "generate", "-e", str(self.spec), f"results_dir={self.results}"] + [
            f"image_grounding.{key.replace('__', '.')}={value}"
            for key, value in self.values(**changed).items()]

    def as_dict(self):
        """The spec as `alig.run` takes it."""
        spec = {"results_dir": str(self.results), "autolabel_type": "image_grounding"}
        for key, value in self.values().items():
            node = spec.setdefault("image_grounding", {})
            *parents, name = key.split("__")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[name] = str(value) if isinstance(value, Path) else value
        return spec

    @staticmethod
    def environment(**extra):
        ours = re.compile("API_KEY$|_PROXY$|^CURL_CA_BUNDLE$|^SSL_CERT_", re.I)
        clean = {key: value for key, value in os.environ.items() if not ours.search(key)}
        return clean | {"GOOGLE_API_KEY": API_KEY, "OPENAI_API_KEY": API_KEY} | extra

    def run(self, *, environment=(), settings=(), prefix=(), timeout=60, **options):
        """A finished process with stdout and stderr. Raises if it takes over `timeout` seconds."""
        command = [*prefix, *self.command(**dict(settings))]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                              env=self.environment(**dict(environment)), **options)

    def start(self, errors):
        return subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=errors,
                                env=self.environment())

    def outputs(self):
        return {name: (self.results / name).read_bytes() for name in OUTPUTS}

    def summary(self):
        return json.loads((self.results / "summary.json").read_text())

    def failures(self):
        return read_jsonl(self.results / "failures.jsonl")

    def labels(self):
        return read_jsonl(self.results / "annotations.jsonl")

    def checkpoints(self, step):
        folder = self.results / ("step_0_expression_extraction", "step_1_grounding")[step] / ".ckpt"
        return sorted(folder.glob("*.json")) if folder.exists() else []

    def all_text(self, done):
        """Everything that a run printed or left, as bytes, by its location."""
        found = {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
        for path in self.results.rglob("*"):
            if path.is_file():
                found[str(path.relative_to(self.results))] = path.read_bytes()
        return found


def heals(job, endpoint, undisturbed, missing):
    """The next run sends `missing` requests, all of them once, and ends as if nothing had been."""
    endpoint.heal()
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert len(endpoint.requests) == missing, [request.key for request in endpoint.requests]
    assert job.outputs() == undisturbed
    assert job.failures() == []
