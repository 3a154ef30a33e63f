#!/usr/bin/env bash
# What can be said of the sources without running them: C++ formatting (clang-format), includes that
# point one way (tools/check_includes.py), Python style (ruff) and types (mypy), shell scripts
# (shellcheck), then common mistakes in all C++ files (clang-tidy; minutes).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=()
for program in clang-format-14 clang-tidy-14 shellcheck; do
  command -v "$program" >/dev/null || packages+=("$program")
done
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

bash tools/setup.sh --tests  # for its headers
if ! cmake --preset release -B build/lint -DALIG_BUILD_BENCHMARKS=ON \
    -DALIG_BUILD_PYTHON=ON -DALIG_UNITY_BUILD=OFF >build/lint-configure.log 2>&1; then
  cat build/lint-configure.log >&2
  exit 1
fi
# All but the fuzz targets, which only clang's own preset compiles.
git ls-files '*.cc' ':!tests/fuzz' | xargs -n 4 -P "$(nproc)" clang-tidy-14 -p build/lint --quiet \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument 2> >(grep -v ' warnings\? generated\.$' >&2)
echo "lint: clean"
