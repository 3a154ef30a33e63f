#!/usr/bin/env bash
# Installs what the project needs on Debian 12 or 13. Quiet and idempotent: a second run
# installs nothing. Options: --tests adds what only the tests and checks need, --fuzz what only
# fuzzing needs; --wheel installs what tools/build_wheel.sh needs instead, which has libraries of its
# own.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config ccache git ca-certificates
  nlohmann-json3-dev libyaml-cpp-dev libcurl4-openssl-dev libssl-dev libopencv-dev
  libcli11-dev libfmt-dev libexpected-dev libutf8proc-dev
  libgif-dev zlib1g-dev libcpp-httplib-dev opencv-data libgtest-dev libgmock-dev
)
[ "${1:-}" = "--tests" ] && packages+=(libbenchmark-dev pybind11-dev python3-dev python3-venv python3-pip openssl)
[ "${1:-}" = "--wheel" ] && packages=(
  g++ make cmake ninja-build ccache dpkg-dev nasm perl ca-certificates python3-dev python3-venv
  nlohmann-json3-dev libcli11-dev libexpected-dev debootstrap openssl
)
[ "${1:-}" = "--fuzz" ] && packages+=(clang-14 libclang-rt-14-dev)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install: ${missing[*]}" >&2; exit 1; }
  sudo="sudo"
fi
echo "setup: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  echo "setup: apt-get failed (see above)" >&2
  exit 1
fi
