"""Writes a small stand-in of TAO's `auto_label` into a virtual environment, one layout at a time.

It has the parts that our module meets: which process imports what, how a child is started, what is
recorded in status.json and with which exit status a run ends. Types other than ours only leave a
marker file.
"""
from __future__ import annotations

import dataclasses
import shutil
import stat
from pathlib import Path

TEMPLATE = Path(__file__).parent / "template"


@dataclasses.dataclass(frozen=True)
class Layout:
    name: str
    config_root: str  # the package that holds config.auto_label.default_config
    stock: bool  # has an image_grounding of its own
    failed_exit: int  # exit status of auto_label after a failed child
    decorators_package: bool  # nvidia_tao_ds.core.decorators is a package, not a module


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("A", "nvidia_tao_core", False, 0, False),
        Layout("B", "nvidia_tao_core", True, 0, False),
        Layout("C", "nvidia_tao_ds", True, 0, True),
        Layout("D", "nvidia_tao_ds", True, 1, True),
    )
}


def install(layout: Layout, site_packages: Path, bin_dir: Path) -> None:
    ds = site_packages / "nvidia_tao_ds"
    shutil.copytree(TEMPLATE / "nvidia_tao_ds", ds)
    shutil.copytree(TEMPLATE / "config", site_packages / layout.config_root / "config")
    for package in (ds, site_packages / layout.config_root):
        for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
            (folder / "__init__.py").touch()
    (ds / "layout.py").write_text(
        f"CONFIG_ROOT = {layout.config_root!r}\nSTOCK = {layout.stock}\n"
        f"FAILED_EXIT = {layout.failed_exit}\n")
    if layout.decorators_package:
        package = ds / "core" / "decorators"
        package.mkdir()
        (ds / "core" / "decorators.py").rename(package / "monitoring.py")
        (package / "__init__.py").write_text("from .monitoring import monitor_status\n")
    _write_programs(bin_dir)


def _write_programs(bin_dir: Path) -> None:
    python = bin_dir / "python"
    for name in ("auto_label", "torchrun", "nvidia-smi"):
        program = bin_dir / name
        program.write_text(f"#!{python}\n" + (TEMPLATE / "bin" / f"{name}.py").read_text())
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
