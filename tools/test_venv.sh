#!/usr/bin/env bash
# Makes build/test-venv: the virtual environment that the Python tests run in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=build/test-venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
