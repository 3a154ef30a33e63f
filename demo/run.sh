#!/usr/bin/env bash
# Builds the program, labels demo/data with a teacher that runs on this machine, and scores the
# result. Needs no key and, once the packages are there, no network. A second run resumes: seconds.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: demo/run.sh [--fresh] [--backend openai|gemini] [--results DIR]
  --fresh          remove the results first: every request is sent again
  --backend NAME   the API that the teacher is asked by (default openai)
  --results DIR    where the results go (default build/demo-results)
TEXT
}

die() { echo "demo: $*" >&2; exit 1; }

fresh=0 backend=openai results=""
while [ $# -gt 0 ]; do
  case "$1" in
    --fresh) fresh=1 ;;
    --backend | --results)
      [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value"
      if [ "$1" = --backend ]; then backend=$2; else results=$(realpath -m -- "$2"); fi
      shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
  shift
done
case "$backend" in openai | gemini) ;; *) die "--backend is openai or gemini, not $backend" ;; esac

# Relative paths of the command line were resolved above, before this.
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
results=${results:-$PWD/build/demo-results}
work=$(mktemp -d)
teacher_pid=""
labeller_pid=""

stop() {
  [ -z "$1" ] || { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null; } || true
}
clean_up() {
  # The labeller first: it stops cleanly, and its finished requests stay.
  stop "$labeller_pid"
  stop "$teacher_pid"
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

quietly() {  # quietly NAME COMMAND…: the output goes to a file that is shown on failure
  local log="$work/$1.log"
  shift
  "$@" >"$log" 2>&1 || { cat "$log" >&2; die "failed: $*"; }
}

remove_results() {
  [ -e "$results" ] || return 0
  # --results with --fresh could name any folder: only what a run has left is removed.
  if [ -n "$(ls -A "$results")" ] && [ ! -f "$results/experiment.yaml" ] &&
     [ ! -f "$results/summary.json" ] && [ ! -d "$results/step_0_expression_extraction" ]; then
    die "$results does not look like results of a run; not removed"
  fi
  rm -rf "$results"
}

start_teacher() {
  local port_file="$work/port"
  build/release/demo/teacher/demo-teacher --port 0 --port-file "$port_file" \
    >"$work/teacher.log" 2>&1 &
  teacher_pid=$!
  for _ in $(seq 100); do
    if [ -s "$port_file" ]; then port=$(cat "$port_file"); return; fi
    kill -0 "$teacher_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/teacher.log" >&2
  die "the teacher did not start"
}

label() {
  local arguments=("image_grounding.vlm.openai.base_url=http://127.0.0.1:$port/v1")
  if [ "$backend" = gemini ]; then
    arguments=(image_grounding.vlm.backend=gemini
               "image_grounding.vlm.gemini.base_url=http://127.0.0.1:$port"
               image_grounding.vlm.gemini.model=gemini-demo)
  fi
  # In the background, so that a signal for this script is handled at once.
  GOOGLE_API_KEY=demo build/release/entrypoint/cli/auto-label-image-grounding generate \
    -e specs/demo.yaml "results_dir=$results" \
    image_grounding.data.input_jsonl=demo/data/captions.jsonl \
    image_grounding.data.image_root=demo/data "${arguments[@]}" &
  labeller_pid=$!
  local code=0
  wait "$labeller_pid" || code=$?
  labeller_pid=""
  return "$code"
}

quietly setup tools/setup.sh
echo "building (the first time takes a few minutes) …"
quietly configure cmake --preset release
quietly build cmake --build --preset release --parallel "$(nproc)" --target alig_cli demo-teacher
[ "$fresh" = 0 ] || remove_results
start_teacher
label || die "the run ended with code $?; see $results/failures.jsonl"

echo
score=0
build/release/entrypoint/cli/auto-label-image-grounding evaluate --strict --worst 3 \
  --pred "$results/annotations.jsonl" --truth demo/data/truth.jsonl || score=$?
cat <<TEXT

annotations   $results/annotations.jsonl
counts        $results/summary.json
failures      $results/failures.jsonl
images      $PWD/demo/data/images
TEXT
exit "$score"
