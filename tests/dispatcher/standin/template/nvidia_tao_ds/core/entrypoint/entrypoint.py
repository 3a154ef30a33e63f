import json
import os
import re
import shlex
import subprocess
import sys

import yaml

from nvidia_tao_ds.layout import FAILED_EXIT

PROGRESS = re.compile(r"Epoch \d+: \s*\d+%|\[.*\]")


def _command(task, path, spec, overrides):
    if task == "default_specs":
        return f"python {path} {' '.join([*overrides, 'module_name=auto_label'])}"
    folder, name = os.path.split(spec)
    where = f" --config-path {os.path.realpath(folder)}" if folder else ""
    with open(spec, encoding="utf-8") as file:
        content = yaml.safe_load(file) or {}
    gpus = dict(o.lstrip("+").split("=", 1) for o in overrides).get("num_gpus",
                                                                  content.get("num_gpus", 1))
    smi = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    assert int(gpus) <= smi.count("UUID")
    if int(gpus) > 1:
        return f"torchrun --nproc-per-node={gpus} {path}{where} --config-name {name}"
    return f"python {path}{where} --config-name {name} {' '.join(overrides)}"


def _show(line):
    if PROGRESS.search(line):
        print("\r" + line.rstrip("\n"), end="", flush=True)
    else:
        print(line, end="", flush=True)


def _last_failed(overrides):
    results = dict(o.split("=", 1) for o in overrides).get("results_dir", "")
    try:
        with open(os.path.join(results, "status.json"), encoding="utf-8") as file:
            return json.loads(file.readlines()[-1])["status"] == "FAILURE"
    except (OSError, IndexError):
        return False


def launch(arguments, subtasks):
    task, *rest = arguments
    spec = rest[rest.index("-e") + 1] if "-e" in rest else None
    overrides = [argument for argument in rest if "=" in argument]
    if task == "generate" and spec is None:
        sys.exit("generate needs -e SPEC")
    command = _command(task, subtasks[task], spec, overrides)
    passed = False
    try:
        with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as child:
            for line in child.stdout:
                _show(line)
        passed = child.returncode == 0
    except KeyboardInterrupt:
        passed = True
    if FAILED_EXIT and _last_failed(overrides):
        passed = False
    print(f"Execution status: {'PASS' if passed else 'FAIL'}", flush=True)
    return 0 if passed else FAILED_EXIT
