import importlib
import pkgutil
import sys

from nvidia_tao_ds.auto_label import scripts
from nvidia_tao_ds.core.entrypoint.entrypoint import launch


def main():
    subtasks = {}
    for _, name, _ in pkgutil.walk_packages(scripts.__path__, scripts.__name__ + "."):
        subtasks[name.rpartition(".")[2]] = importlib.import_module(name).__file__
    default_specs = importlib.import_module("nvidia_tao_ds.core.utils.default_specs")
    subtasks["default_specs"] = default_specs.__file__
    return launch(sys.argv[1:], subtasks)
