import importlib
import os

from nvidia_tao_ds.auto_label.grounding_dino.inference import run_grounding_dino_inference
from nvidia_tao_ds.auto_label.mal.inference import run_mal_inference
from nvidia_tao_ds.auto_label.stock.inference import run_image_grounding_inference
from nvidia_tao_ds.core.decorators import monitor_status
from nvidia_tao_ds.core.hydra.hydra_runner import hydra_runner
from nvidia_tao_ds.layout import CONFIG_ROOT, STOCK

ExperimentConfig = importlib.import_module(
    f"{CONFIG_ROOT}.config.auto_label.default_config").ExperimentConfig


@monitor_status(name="auto_label", mode="Auto-label")
def run_experiment(cfg, results_dir=None):
    if cfg.autolabel_type == "mal":
        run_mal_inference(cfg, results_dir)
    elif cfg.autolabel_type == "grounding_dino":
        run_grounding_dino_inference(cfg, results_dir)
    elif cfg.autolabel_type == "image_grounding" and STOCK:
        run_image_grounding_inference(cfg, results_dir)
    else:
        raise NotImplementedError(f"Unknown autolabel_type {cfg.autolabel_type}")


SPECS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "experiment_specs")


@hydra_runner(config_path=SPECS, config_name="generate", schema=ExperimentConfig)
def main(cfg):
    run_experiment(cfg=cfg, results_dir=cfg.results_dir)


if __name__ == "__main__":
    main()
