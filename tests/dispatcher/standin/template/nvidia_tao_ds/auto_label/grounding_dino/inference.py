import json
import os
import sys


def run_grounding_dino_inference(cfg, results_dir):
    ours = sorted(name for name in sys.modules if name.startswith("auto_label_image_grounding"))
    with open(os.path.join(results_dir, "grounding_dino.json"), "w", encoding="utf-8") as file:
        json.dump(ours, file)
