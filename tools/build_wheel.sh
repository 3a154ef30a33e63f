#!/usr/bin/env bash
# Makes wheels that need nothing but glibc and libgcc_s: every library is inside, linked statically,
# with its licence text. One wheel per CPython, checked and tagged by auditwheel.
#
#   tools/build_wheel.sh [--python PYTHON]... [--out DIR]
#
# Without --python: every CPython 3.10 to 3.13 with headers among pythonX.Y on PATH and pyenv's.
# The wheels go to dist/ unless --out names another folder. What is kept for a next run, which then
# builds only what changed, is in build/static-deps and build/release-wheel. JOBS limits the number
# of parallel compilations.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT WORK=$ROOT/build/release-wheel DEPS=$ROOT/build/static-deps LICENCES=$ROOT/licenses
readonly LOG=$WORK/build.log
readonly LARGEST=$((10 * 1000 * 1000))

# libstdc++ inside: the machine's own may be older than the compiler's. libgcc_s stays outside, for
# the one inside would need glibc 2.35 (_dl_find_object), and every distribution has it.
readonly LINKER_FLAGS="-static-libstdc++ -Wl,--gc-sections -Wl,-z,relro,-z,now"

say() { echo "wheel: $*"; }
die() { say "$*" >&2; exit 1; }

quietly() {
  "$@" >"$LOG" 2>&1 </dev/null && return
  grep -n -i -m 20 -A 3 'error' "$LOG" >&2 || true
  tail -n 20 "$LOG" >&2
  die "failed (errors and last lines above, all in $LOG): $*"
}

# ---- Which Pythons ----

# usable PYTHON [VERSION]: prints its true path when wheels can be built with it.
usable() {
  "$1" - "${2:-}" 2>/dev/null <<'PYTHON'
import os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
sys.exit(sys.implementation.name != "cpython" or sys.version_info < (3, 10)
         or sys.argv[1] not in ("", version) or bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
         or not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
         or print(sys.executable))
PYTHON
}

# The first of each version.
find_pythons() {
  local version candidate path
  for version in 3.10 3.11 3.12 3.13; do
    for candidate in $(type -aP "python$version") ~/.pyenv/versions/"$version".*/bin/python3; do
      path=$(usable "$candidate" "$version") || continue
      PYTHONS+=("$path")
      break
    done
  done
  [ ${#PYTHONS[@]} -gt 0 ] || die "found no CPython 3.10 to 3.13 with its headers; name one: --python"
}

read_arguments() {
  OUT=$ROOT/dist PYTHONS=()
  local path
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "usage: tools/build_wheel.sh [--python PYTHON]... [--out DIR]"
    case $1 in
      --python)
        path=$(usable "$2") || die "$2: no CPython from 3.10 on with its headers (and a GIL)"
        PYTHONS+=("$path") ;;
      --out) OUT=$2 ;;
      *) die "unknown option: $1" ;;
    esac
    shift 2
  done
}

# ---- What they are built with ----

# make_venv FOLDER PYTHON pip-arguments...
make_venv() {
  local folder=$1 python=$2
  shift 2
  [ "$(readlink -f "$folder/bin/python")" = "$(readlink -f "$python")" ] ||
    quietly "$python" -m venv --clear "$folder"
  # A base image's PIP_CONSTRAINT is about what it runs, not about build tools.
  quietly env -u PIP_CONSTRAINT "$folder/bin/python" -m pip install --disable-pip-version-check "$@"
}

# The pins of pyproject.toml, installed here once instead of for each build, whose changing folders
# would cause everything to be recompiled.
build_requirements() {
  sed -n 's/^requires = \[\(.*\)\]$/\1/p' "$ROOT/pyproject.toml" | grep -o '"[^"]*"' | tr -d '"'
}

# licence NAME FILE: FILE goes into the wheels (project.license-files in pyproject.toml).
licence() {
  [ -s "$2" ] || die "the licence text of $1 is not at $2"
  install -m 644 "$2" "$LICENCES/$1.txt"
}

collect_licences() {
  local file name compiler
  rm -f "$LICENCES"/*.txt
  while read -r file; do
    name=${file#"$DEPS/share/licenses/"}
    name=${name%/copyright}
    name=${name//\//-}
    licence "${name%.txt}" "$file"
  done < <(find "$DEPS/share/licenses" -type f)
  for name in libcli11-dev libexpected-dev nlohmann-json3-dev; do
    licence "${name%-dev}" "/usr/share/doc/$name/copyright"
  done
  compiler=$(c++ -dumpversion)
  licence libstdc++ "/usr/share/doc/libstdc++-${compiler%%.*}-dev/copyright"
  licence pybind11 "$(find "$1/lib" -path '*/pybind11-*.dist-info/*' -name LICENSE -print -quit)"
}

# ---- One wheel ----

# The library is the same for every Python: from the second on it comes out of ccache.
build_one() {
  local python=$1 tag folder venv unpacked
  tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  folder=$WORK/$tag venv=$WORK/$tag/venv unpacked=$WORK/$tag/unpacked
  say "building for $("$python" -c 'import platform; print(platform.python_version())') ($python)"
  mapfile -t requirements < <(build_requirements)
  make_venv "$venv" "$python" "${requirements[@]}"
  collect_licences "$venv"
  rm -rf "$folder/raw" "$folder/repaired" "$unpacked"
  quietly env CMAKE_PREFIX_PATH="$DEPS" CMAKE_BUILD_PARALLEL_LEVEL="$JOBS" \
    CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR="$ROOT" CCACHE_NOHASHDIR=1 \
    "$venv/bin/python" -m pip wheel "$ROOT" --disable-pip-version-check --no-deps \
    --no-build-isolation --wheel-dir "$folder/raw" \
    --config-settings=build-dir="$folder/build" \
    --config-settings=cmake.define.CMAKE_EXE_LINKER_FLAGS="$LINKER_FLAGS" \
    --config-settings=cmake.define.CMAKE_MODULE_LINKER_FLAGS="$LINKER_FLAGS"
  # Without a platform asked for it takes the oldest one that the wheel is fit for.
  quietly env PATH="$WORK/tools/bin:$PATH" auditwheel repair -z 9 -w "$folder/repaired" "$folder"/raw/*.whl
  local wheel=("$folder"/repaired/*.whl)
  "$python" -m zipfile -e "${wheel[0]}" "$unpacked"
  check_wheel "${wheel[0]}" "$unpacked"
  mkdir -p "$OUT"
  rm -f "$OUT"/auto_label_image_grounding-*-"$tag"-*.whl
  cp "${wheel[0]}" "$OUT/"
  say "$OUT/${wheel[0]##*/}: $(stat -c %s "${wheel[0]}") bytes"
}

# glibc's newest symbols in the given files, which decide how old a system may be.
newest_glibc() {
  readelf -W --dyn-syms "$@" | grep -o '[^ ]*@GLIBC_[0-9.]*' | sort -u |
    awk -F '@GLIBC_' '{ split($2, v, "."); n = v[1] * 1000 + v[2]
      if (n > top) { top = n; version = $2; names = "" }
      if (n == top) names = names " " $1 } END { print "glibc " version " (" substr(names, 2) ")" }'
}

check_wheel() {
  local file=$1 unpacked=$2 module program needed exported name
  module=$(echo "$unpacked"/auto_label_image_grounding/_native.*.so)
  program=$(echo "$unpacked"/*.data/scripts/auto-label-image-grounding)
  case $file in *-linux_*) die "${file##*/} is fit for no manylinux platform; see $LOG" ;; esac
  needed=$(readelf -d "$module" "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
  ! grep -vE '^(lib(c|m|dl|rt|pthread|gcc_s)\.so\.|ld-linux)' <<<"$needed" >&2 ||
    die "libraries are needed that not every system has (above)"
  exported=$(nm -D --defined-only "$module" | awk '{ print $3 }')
  [ "$exported" = PyInit__native ] || die "the module exports more than its entry: $exported"
  for name in "$LICENCES"/*.txt; do
    [ -s "$(echo "$unpacked"/*.dist-info/licenses/licenses)/${name##*/}" ] ||
      die "the licence text ${name##*/} is not in the wheel"
  done
  [ "$(stat -c %s "$file")" -lt $LARGEST ] || die "${file##*/} has more than $LARGEST bytes"
  say "needs $(echo $needed) and $(newest_glibc "$module" "$program")"
}

main() {
  read_arguments "$@"
  JOBS=${JOBS:-$(nproc)}
  bash "$ROOT/tools/setup.sh" --wheel
  [ ${#PYTHONS[@]} -gt 0 ] || find_pythons
  mkdir -p "$WORK"
  make_venv "$WORK/tools" "${PYTHONS[0]}" -r "$ROOT/tools/wheel-requirements.txt"
  JOBS=$JOBS PYTHON=$WORK/tools/bin/python bash "$ROOT/tools/build_static_deps.sh" "$DEPS"
  local python
  for python in "${PYTHONS[@]}"; do build_one "$python"; done
}

main "$@"
