from collections.abc import Callable

version: str

def run(
    spec_yaml: str,
    results_dir: str | None,
    on_log: Callable[[int, str], None],
    on_progress: Callable[[dict[str, int]], None] | None,
) -> str: ...
def write_default_spec(results_dir: str) -> tuple[str, str]: ...
