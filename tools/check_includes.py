#!/usr/bin/env python3
"""Checks that includes point one way: a folder of the library includes its own headers and those of
the folders that its CMake targets depend on, directly or not. A header that is reached upwards would
compile and, being mostly inline, even link.

Also that no headers include each other in a circle.
Prints file:line of each include that is wrong; exit status 1 where there is one.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "auto_label_image_grounding"
INCLUDE = re.compile(r'^#include "auto_label_image_grounding/(([a-z_]+)/[a-z_]+)\.h"')
TARGET = re.compile(r"alig_add_library\((\w+)(.*?)\)", re.DOTALL)


def dependencies() -> dict[str, set[str]]:
    """Folder -> the folders that its targets name."""
    folder_of, named = {}, {}
    for cmake in sorted(LIBRARY.glob("*/CMakeLists.txt")):
        folder = cmake.parent.name
        for target, arguments in TARGET.findall(cmake.read_text()):
            folder_of[target] = folder
            depends = arguments.partition("DEPENDS")[2]
            named.setdefault(folder, set()).update(re.findall(r"alig::(\w+)", depends))
    return {folder: {folder_of[target] for target in targets} - {folder}
            for folder, targets in named.items()}


def reachable(start: str, direct: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        for below in direct.get(queue.pop(), set()) - seen:
            seen.add(below)
            queue.append(below)
    return seen


def includes() -> list[tuple[Path, int, str, str]]:
    """(file, line, included file without its suffix, its folder)."""
    out = []
    for path in sorted([*LIBRARY.glob("*/*.h"), *LIBRARY.glob("*/*.cc")]):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                out.append((path, number, match[1], match[2]))
    return out


def circle(headers: dict[str, set[str]]) -> list[str]:
    """A circle of headers; empty where there is none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name):] + [name]
        if name in done:
            return []
        for below in sorted(headers.get(name, ())):
            if found := visit(below, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(headers) if (found := visit(name, []))), [])


def main() -> int:
    direct = dependencies()
    complaints = [f"auto_label_image_grounding/*/CMakeLists.txt: {folder} depends on itself"
                  for folder in direct if folder in reachable(folder, direct)]
    headers: dict[str, set[str]] = {}
    for path, number, included, folder in includes():
        where = f"{path.relative_to(ROOT)}:{number}"
        own = path.parent.name
        if folder != own and folder not in reachable(own, direct):
            complaints.append(f"{where}: {own} does not depend on {folder}")
        if path.suffix == ".h":
            headers.setdefault(f"{own}/{path.stem}", set()).add(included)
    if found := circle(headers):
        complaints.append("headers that include each other: " + " -> ".join(found))
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
