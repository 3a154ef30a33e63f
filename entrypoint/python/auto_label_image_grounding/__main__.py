"""python -m auto_label_image_grounding doctor [--json]"""
from __future__ import annotations

import argparse
import json
import sys

from . import _doctor


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m auto_label_image_grounding")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="shows whether auto_label runs this pipeline")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    findings = _doctor.examine()
    print(json.dumps(findings, indent=1) if options.json else _doctor.to_text(findings))
    return 0 if findings["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
