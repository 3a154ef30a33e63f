"""The compiled part. Specs are YAML texts; results are JSON texts with the shapes of _reports.py.

Each function raises ValueError (spec, endpoint, data), FileNotFoundError or OSError (files); run()
and dry_run() also KeyboardInterrupt (a signal) and whatever a callback raises. They run on the
calling thread, which must be the main one if signals are to be noticed, and release the GIL.
on_log gets a level of `logging` and a message.
"""
from collections.abc import Callable

version: str

def run(
    spec_yaml: bytes,
    results_dir: bytes | None,
    on_log: Callable[[int, str], None],
    on_progress: Callable[[dict[str, int]], None] | None,
) -> str: ...
def dry_run(
    spec_yaml: bytes,
    results_dir: bytes | None,
    on_log: Callable[[int, str], None],
) -> str: ...
def evaluate(annotations: bytes, truth: bytes, worst: int) -> str: ...
def write_default_spec(results_dir: bytes) -> tuple[str, str]: ...
