#!/usr/bin/env bash
# What can be said of the sources without running them: C++ formatting (clang-format), includes that
# point one way (tools/check_includes.py), Python style (ruff) and types (mypy), shell scripts
# (shellcheck).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=()
command -v clang-format-14 >/dev/null || packages+=(clang-format-14)
command -v shellcheck >/dev/null || packages+=(shellcheck)
if [ ${#packages[@]} -gt 0 ]; then
  echo "lint: installing ${packages[*]}"
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
venv=build/lint-venv
if ! cmp -s tools/lint-requirements.txt $venv/requirements.txt; then
  echo "lint: installing $(tr '\n' ' ' <tools/lint-requirements.txt)"
  python3 -m venv $venv
  $venv/bin/pip install --quiet --disable-pip-version-check -r tools/lint-requirements.txt
  cp tools/lint-requirements.txt $venv/requirements.txt
fi

git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run --Werror
python3 tools/check_includes.py
$venv/bin/ruff check --quiet .
$venv/bin/mypy --no-error-summary
git ls-files '*.sh' .ci/run | xargs shellcheck --severity=warning --external-sources
echo "lint: clean"
