#!/usr/bin/env bash
# The C++ tests and the program in tests/integration and tests/chaos under AddressSanitizer +
# UndefinedBehaviorSanitizer, and the C++ tests of the concurrent parts under ThreadSanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup.sh --tests
jobs=$(nproc)
# Paths relative to the clone, so that another clone finds the same objects in the cache.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CMAKE_CXX_COMPILER_LAUNCHER=ccache
mkdir -p build
log=build/sanitize-build.log
: >"$log"
quietly() { "$@" >>"$log" 2>&1 || { tail -100 "$log" >&2; echo "sanitize: failed: $*" >&2; exit 1; }; }

echo "sanitize: address, undefined"
quietly cmake --preset asan-ubsan -DALIG_BUILD_DEMO=OFF
quietly cmake --build --preset asan-ubsan --parallel "$jobs"
# OpenCV's libraries leak at start; what our tests leak themselves is still found by their own runs
# under the other checks.
# A distinct status: the program also exits with 1 for expected failures.
export ASAN_OPTIONS=detect_leaks=0:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=99
ctest --preset asan-ubsan --parallel "$jobs" --progress

echo "sanitize: address, undefined, the program as a whole"
quietly cmake --preset release
quietly cmake --build --preset release --parallel "$jobs" --target demo-teacher demo-scenes
quietly bash tools/test_venv.sh
export ALIG_PROGRAM=$PWD/build/asan-ubsan/entrypoint/cli/auto-label-image-grounding
# Without those that are about another build.
env --default-signal build/test-venv/bin/python -m pytest -q -p no:cacheprovider -n "$jobs" \
  tests/integration tests/chaos --ignore tests/integration/test_benchmarks.py \
  --ignore tests/integration/test_installed.py

echo "sanitize: thread"
quietly cmake --preset tsan -DALIG_BUILD_DEMO=OFF
quietly cmake --build --preset tsan --parallel "$jobs" --target http_test calls_test run_test
TSAN_OPTIONS="suppressions=$PWD/tools/tsan.supp" \
  ctest --preset tsan --parallel "$jobs" --progress --tests-regex '^(http|calls|run)/'
