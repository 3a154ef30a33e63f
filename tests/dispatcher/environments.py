"""Virtual environments with the real `auto_label`: NVIDIA's wheels from PyPI, unmodified.

One a layout that PyPI offers, kept in build/tao. What all of them need lies in one environment
beside them, which they see through a .pth file. PyTorch and its kind, which no run of ours touches,
are stubs; so are `nvidia-smi` and `torchrun`, for there is no GPU here.
"""
from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 240  # the longest that any one process may take, on a busy machine
GPUS = 2


@dataclasses.dataclass(frozen=True)
class Layout:
    ds: str  # version of nvidia-tao-ds
    core: str  # version of nvidia-tao-core
    config_root: str  # the package that holds config.auto_label.default_config
    stock: bool  # has an image_grounding of its own
    failed_exit: int  # exit status of auto_label after a failed child
    default_specs: bool = True  # has that command
    errors_have_kinds: bool = True  # in status.json: "File system error: …"

    def failure(self, kind: str) -> str:
        """How the message of a failure begins in status.json."""
        return f"{kind}: " if self.errors_have_kinds else ""

    @property
    def name(self) -> str:
        return self.ds if self.ds == self.core else f"{self.ds}+{self.core}"


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("6.25.7", "6.25.7", "nvidia_tao_core", False, 0, default_specs=False,
               errors_have_kinds=False),
        Layout("6.26.3", "6.26.3", "nvidia_tao_core", False, 0),
        Layout("6.26.3", "7.1.0", "nvidia_tao_core", True, 0),
        Layout("7.0.0", "7.0.1", "nvidia_tao_ds", True, 0),
        Layout("7.1.0", "7.1.0", "nvidia_tao_ds", True, 1),
        Layout("7.3.0", "7.3.0", "nvidia_tao_ds", True, 1),
    )
}

NVIDIA_SMI = f"""#!/bin/sh
i=0
while [ $i -lt ${{FAKE_GPUS:-{GPUS}}} ]; do echo "GPU $i: none (UUID: GPU-$i)"; i=$((i + 1)); done
"""

# What torchrun does as far as a script sees it: as many processes, each with its rank.
TORCHRUN = """#!/usr/bin/env python
import os, subprocess, sys
count = int(sys.argv[1].removeprefix("--nproc-per-node="))
ranks = [subprocess.Popen(["python", *sys.argv[2:]], env={
    **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
    "TORCHELASTIC_RUN_ID": "none"}) for rank in range(count)]
sys.exit(max(rank.wait() for rank in ranks))
"""


@contextlib.contextmanager
def locked(path: Path):
    """One at a time, of all processes that run these tests."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclasses.dataclass
class Environment:
    """A virtual environment; its bin folder is first on PATH, as in the container."""

    folder: Path
    layout: Layout | None = None

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def site_packages(self) -> Path:
        return next((self.folder / "lib").glob("python3*")) / "site-packages"

    def variables(self, **extra: str) -> dict[str, str]:
        drop = ("PYTHON", "GOOGLE_API", "GEMINI_API", "OPENAI_API", "HYDRA", "WORLD_SIZE", "RANK",
                "JOB_ID", "CLOUD_BASED")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", **extra}

    def run(self, *command: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
        program, *arguments = command
        return subprocess.run([str(self.bin / program), *arguments], cwd=cwd, text=True,
                              env=self.variables(**extra), capture_output=True, timeout=SECONDS)

    def start(self, *command: str, cwd: Path, **extra: str) -> subprocess.Popen[str]:
        program, *arguments = command
        return subprocess.Popen([str(self.bin / program), *arguments], cwd=cwd, text=True,
                                env=self.variables(**extra), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def copy(self, folder: Path) -> Environment:
        """Programs name their interpreter in the first line: those of the copy name the copy's."""
        shutil.copytree(self.folder, folder, symlinks=True)
        old, new = str(self.folder).encode(), str(folder).encode()
        for program in (folder / "bin").iterdir():
            if program.is_file() and not program.is_symlink():
                content = program.read_bytes()
                if content.startswith(b"#!" + old):
                    program.write_bytes(content.replace(old, new))
        return Environment(folder, self.layout)

    def install(self, wheel: str) -> None:
        """Our wheel, in the place of an earlier one."""
        digest = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
        stamp = self.folder / "wheel"
        with locked(self.folder.with_name(f"{self.folder.name}.lock")):
            if not (stamp.exists() and stamp.read_text() == digest):
                self.pip("--force-reinstall", "--no-index", "--no-deps", wheel)
                stamp.write_text(digest)

    def uninstall(self) -> None:
        self._run_pip("uninstall", "-q", "-y", "auto-label-image-grounding")

    def pip(self, *arguments: str) -> None:
        self._run_pip("install", "-q", "--disable-pip-version-check", "--no-compile", *arguments)

    def _run_pip(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "pip", "--python", str(self.bin / "python"),
                        *arguments], check=True)

    def make(self) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(self.folder)],
                       check=True)

    def see(self, *folders: Path) -> None:
        """Their packages too, and what their own .pth files do."""
        lines = [f"import site; site.addsitedir({str(folder)!r})\n" for folder in folders]
        (self.site_packages / "zz_shared.pth").write_text("".join(lines), encoding="utf-8")

    def without_hook(self, folder: Path) -> Environment:
        """A copy in which our hook does not run: TAO as it is without us."""
        environment = self.copy(folder)
        for path in environment.site_packages.glob("*auto_label_image_grounding*.pth"):
            path.unlink()
        return environment

    def add_program(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)


class Environments:
    """Those below one folder: made when they are first asked for, kept for the next session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def shared(self) -> Environment:
        """What NVIDIA's wheels import."""
        return self._made("shared", lambda environment: environment.pip(
            "-r", str(HERE / "requirements-tao.txt")))

    def plain(self) -> Environment:
        """hydra-core and omegaconf alone."""
        return self._made("plain", lambda environment: environment.pip(
            "hydra-core==1.3.2", "omegaconf==2.3.0"))

    def tao(self, layout: Layout) -> Environment:
        def fill(environment: Environment) -> None:
            environment.pip("--no-deps", f"nvidia-tao-ds=={layout.ds}",
                             f"nvidia-tao-core=={layout.core}")
            environment.see(self.shared().site_packages, HERE / "stubs")
            environment.add_program("nvidia-smi", NVIDIA_SMI)
            environment.add_program("torchrun", TORCHRUN)

        environment = self._made(layout.name, fill)
        environment.layout = layout
        return environment

    def _made(self, name: str, fill) -> Environment:
        environment = Environment(self._folder / name)
        recipe = hashlib.sha256(b"".join((
            sys.version.encode(), NVIDIA_SMI.encode(), TORCHRUN.encode(),
            (HERE / "requirements-tao.txt").read_bytes()))).hexdigest()
        stamp = environment.folder / "made"
        with locked(self._folder / f"{name}.made.lock"):
            if not (stamp.exists() and stamp.read_text() == recipe):
                print(f"making {environment.folder}", file=sys.stderr)
                environment.make()
                fill(environment)
                stamp.write_text(recipe)
        return environment
