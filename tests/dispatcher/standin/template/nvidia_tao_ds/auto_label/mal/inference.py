import json
import os
import sys


def run_mal_inference(cfg, results_dir):
    ours = sorted(name for name in sys.modules if name.startswith("auto_label_image_grounding"))
    with open(os.path.join(results_dir, "mal.json"), "w", encoding="utf-8") as file:
        json.dump(ours, file)
