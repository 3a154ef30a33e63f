#!/usr/bin/env bash
# Sets up, builds and runs all tests: C++ (ctest), the program and the Python package (pytest).
# The folders build/ and build/test-venv are kept, so that a second run is quick.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

bash tools/setup.sh --tests
jobs=$(nproc)
# Paths relative to the clone, so that another clone finds the same objects in the cache.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_BUILD_PARALLEL_LEVEL=$jobs
# One name for the compiler, also where Python has another for it: the cache goes by it.
export CXX=${CXX:-c++}

echo "tests: building"
log=build/test-build.log
mkdir -p build
quietly() { "$@" >>"$log" 2>&1 || { cat "$log" >&2; echo "tests: failed: $*" >&2; exit 1; }; }
: >"$log"
quietly cmake --preset release
quietly cmake --build --preset release --parallel "$jobs"

echo "tests: C++"
ctest --preset release --parallel "$jobs"

echo "tests: Python package (wheel and virtual environment)"
quietly bash tools/test_venv.sh
bash tools/test_gateways.sh
venv=build/test-venv
rm -rf build/wheel
# In the same folder and with the same flags, so that nothing is compiled twice.
quietly "$venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel \
  --config-settings=build-dir=build/release \
  --config-settings=cmake.define.ALIG_WARNINGS_AS_ERRORS=ON .
quietly cmake --preset release -U 'SKBUILD*'  # with its tests again, and no longer for a wheel
ALIG_WHEEL=$(ls "$root"/build/wheel/*.whl)
export ALIG_WHEEL
export ALIG_PROGRAM=$root/build/release/entrypoint/cli/auto-label-image-grounding
export ALIG_TEACHER=$root/build/release/demo/teacher/demo-teacher
export ALIG_SCENES=$root/build/release/demo/scenes/demo-scenes
# One run of all that pyproject.toml names. Many tests wait for time-outs and kills most of their time, hence
# more workers than processors. A caller that ignores SIGINT (a script's "command &") must not hand that down:
# the program would rightly ignore it too, and tests send it.
env --default-signal "$venv/bin/python" -m pytest -q -p no:cacheprovider \
  -n "$((2 * jobs))" --dist loadgroup
