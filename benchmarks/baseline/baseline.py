"""What users have today: a labelling script as it is usually written.

A thread pool, the official openai SDK, each image read whole and encoded, one JSON checkpoint per
sample and step, results kept in a list. Written for this comparison; it does less than the program
(no retries of its own, no matching, no spans).
"""

import argparse
import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openai import OpenAI

EXTRACT = "Clean the caption and list its referring expressions as JSON.\nCaption: {}\n"
GROUND = "Give boxes in pixels for each expression as JSON.\nExpressions: {}\n"


class Labeller:
    def __init__(self, url, results, workers):
        self.client = OpenAI(base_url=url, api_key="none", max_retries=2)
        self.results = results
        self.workers = workers
        for step in ("step0", "step1"):
            (results / step / ".ckpt").mkdir(parents=True, exist_ok=True)

    def ask(self, image_path, prompt):
        data = base64.b64encode(Path(image_path).read_bytes()).decode("ascii")
        answer = self.client.chat.completions.create(
            model="model", temperature=0.7, max_tokens=4096,
            messages=[{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
                {"type": "text", "text": prompt}]}])
        return json.loads(answer.choices[0].message.content)

    def checkpointed(self, step, record, work):
        path = self.results / step / ".ckpt" / f"{record['image_id']}.json"
        if path.exists():
            return json.loads(path.read_text())
        out = work(record)
        path.write_text(json.dumps(out))
        return out

    def extract(self, record):
        answer = self.ask(record["image_path"], EXTRACT.format(json.dumps(record["caption"])))
        return {**record, "expressions": answer["expressions"]}

    def ground(self, record):
        asked = [{"id": i + 1, "text": e["text"]} for i, e in enumerate(record["expressions"])]
        answer = self.ask(record["image_path"], GROUND.format(json.dumps(asked)))
        for expression, found in zip(record["expressions"], answer["groundings"]):
            expression["instances"] = found["instances"]
        return record

    def run(self, records):
        with ThreadPoolExecutor(self.workers) as pool:
            records = list(pool.map(lambda r: self.checkpointed("step0", r, self.extract), records))
            records = list(pool.map(lambda r: self.checkpointed("step1", r, self.ground), records))
        with open(self.results / "annotations.jsonl", "w") as out:
            for record in records:
                out.write(json.dumps(record) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--image-root", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()
    records = [json.loads(line) for line in options.input.read_text().splitlines()]
    for record in records:
        record["image_path"] = str(options.image_root / record["image_path"])
    begin = time.perf_counter()
    Labeller(options.url, options.results, options.workers).run(records)
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
