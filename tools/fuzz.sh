#!/usr/bin/env bash
# Fuzzes every target of tests/fuzz/ for so many seconds each (default 60), two at a time, from a
# copy of the committed corpus. Fails where one breaks; what broke it is left in
# build/fuzz-findings, and runs again with: build/fuzz/tests/fuzz/fuzz_<target> <file>
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: tools/fuzz.sh [SECONDS]" >&2; exit 2; }
bash tools/setup.sh --fuzz

export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CMAKE_CXX_COMPILER_LAUNCHER=ccache
mkdir -p build
log=build/fuzz-build.log
{ cmake --preset fuzz && cmake --build --preset fuzz --parallel "$(nproc)"; } >"$log" 2>&1 || {
  tail -100 "$log" >&2
  echo "fuzz: the build failed" >&2
  exit 1
}

findings=build/fuzz-findings
mkdir -p "$findings"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export UBSAN_OPTIONS=print_stacktrace=1

# Prints one line; the program's own words are in $work/<target>.log.
fuzz_one() {
  local target=$1 status=0
  cp -r "tests/fuzz/corpus/$target" "$work/$target"
  "build/fuzz/tests/fuzz/fuzz_$target" "$work/$target" \
    -dict="tests/fuzz/dictionaries/$target.dict" -artifact_prefix="$findings/$target-" \
    -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=2048 -timeout=10 \
    -print_final_stats=1 >"$work/$target.log" 2>&1 || status=$?
  local executions coverage
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/$target.log" | tail -1)
  if [ "$status" -eq 0 ]; then
    echo "fuzz: $target: ${executions:-?} executions, $((${executions:-0} / seconds)) a second," \
      "coverage ${coverage:-?}"
  else
    # From the first complaint on: a stack that overflowed would fill the screen.
    awk '/fuzz: |ERROR|runtime error/ { on = 1 } on && ++n <= 30' "$work/$target.log" >&2
    tail -8 "$work/$target.log" | cut -c1-2000 >&2
    echo "fuzz: $target: FAILED (status $status), see $findings" >&2
  fi
  return "$status"
}

targets=()
for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
failed=0
for ((i = 0; i < ${#targets[@]}; i += 2)); do
  pids=()
  for target in "${targets[@]:i:2}"; do
    fuzz_one "$target" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
done
exit "$failed"
