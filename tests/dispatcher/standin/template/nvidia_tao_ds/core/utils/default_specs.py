import importlib
import os
import sys

from omegaconf import OmegaConf

from nvidia_tao_ds.layout import CONFIG_ROOT


def main():
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    assert set(given) <= {"module_name", "results_dir"}, given
    config = importlib.import_module(f"{CONFIG_ROOT}.config.{given['module_name']}.default_config")
    os.makedirs(given["results_dir"], exist_ok=True)
    with open(os.path.join(given["results_dir"], "experiment.yaml"), "w", encoding="utf-8") as file:
        file.write(OmegaConf.to_yaml(OmegaConf.structured(config.ExperimentConfig)))


if __name__ == "__main__":
    main()
