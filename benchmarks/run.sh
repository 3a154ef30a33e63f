#!/usr/bin/env bash
# Sets up, builds and runs the benchmarks; prints a table with ratios and writes
# build/benchmarks/results.json. Options: see benchmarks/run.py --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup.sh --tests
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CMAKE_CXX_COMPILER_LAUNCHER=ccache
mkdir -p build
log=build/benchmark-build.log
quietly() { "$@" >>"$log" 2>&1 || { tail -100 "$log" >&2; echo "benchmarks: failed: $*" >&2; exit 1; }; }
: >"$log"
echo "benchmarks: building"
quietly cmake --preset release -DALIG_BUILD_BENCHMARKS=ON
quietly cmake --build --preset release --parallel "$(nproc)" \
  --target alig_cli canned-endpoint bare-loop micro-benchmarks
venv=build/benchmark-venv
[ -x "$venv/bin/python" ] || quietly python3 -m venv "$venv"
quietly "$venv/bin/pip" install --quiet --disable-pip-version-check -r benchmarks/baseline/requirements.txt
exec python3 benchmarks/run.py "$@"
