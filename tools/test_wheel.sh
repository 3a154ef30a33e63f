#!/usr/bin/env bash
# Installs a wheel in a Debian that has Python and nothing to build with, and labels images there:
# JPEG, PNG, WebP, GIF, BMP and TIFF, over HTTP and HTTPS, on the loopback alone; then runs TAO's
# dispatcher from PyPI with it.
#
#   tools/test_wheel.sh [WHEEL]
#
# A wheel for CPython 3.11 is tested in Debian 12, one for 3.13 in Debian 13; without WHEEL those two
# of dist/. As root. The systems are made once, in build/roots, from the machine's Debian mirror.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT ROOTS=$ROOT/build/roots TOOLS=$ROOT/build/release-wheel/tools
readonly LOG=$ROOTS/test.log

say() { echo "test wheel: $*"; }
die() { say "$*" >&2; exit 1; }
quietly() { "$@" >"$LOG" 2>&1 </dev/null || { tail -n 40 "$LOG" >&2; die "failed: $*"; }; }

# Mounts are made in a separate mount namespace: they end with the command, however it ends.
apart() { unshare --mount --propagation private "$@"; }

# inside SYSTEM COMMAND...
inside() {
  local system=$1
  shift
  # shellcheck disable=SC2016  # for the inner shell
  apart env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 bash -euc '
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    exec chroot "$0" "$@"' "$system" "$@"
}

# Deletes what no file system is mounted in.
remove_system() {
  ! findmnt --raw --noheadings --output TARGET | grep -qE "^$1(/|$)" || die "something is mounted in $1"
  rm -rf --one-file-system "$1"
}

debian_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' |
    awk '$2 == "Debian" && $3 == "Debian" { print $1; found = 1; exit }
      END { if (!found) print "http://deb.debian.org/debian" }'
}

make_system() {
  local suite=$1
  [ ! -d "$ROOTS/$suite" ] || return 0
  say "making a minimal Debian $suite in $ROOTS/$suite"
  remove_system "$ROOTS/$suite.new"
  quietly apart debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$suite" "$ROOTS/$suite.new" "$(debian_mirror)"
  rm -f "$ROOTS/$suite.new"/var/cache/apt/archives/*.deb
  mv "$ROOTS/$suite.new" "$ROOTS/$suite"
}

make_images() {
  "$TOOLS/bin/python" - "$1" <<'PYTHON'
import sys
from PIL import Image, ImageDraw
image = Image.linear_gradient("L").convert("RGB").resize((320, 240))
draw = ImageDraw.Draw(image)
draw.ellipse((40, 40, 140, 140), fill=(200, 30, 30))
draw.rectangle((180, 60, 280, 200), fill=(30, 30, 200))
for name, options in {"jpg": {"quality": 90}, "png": {}, "webp": {}, "gif": {}, "bmp": {},
                      "tif": {"compression": "tiff_adobe_deflate"}}.items():
    image.save(f"{sys.argv[1]}/image.{name}", **options)
PYTHON
}

# A certificate for 127.0.0.1, and the authority that signed it, of two days.
make_certificate() (
  cd "$1"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=throw-away authority" \
    -keyout authority.key -out authority.crt
  openssl req -newkey rsa:2048 -nodes -subj /CN=stand-in -keyout key.pem -out request.pem
  echo "subjectAltName = IP:127.0.0.1" >extensions
  openssl x509 -req -in request.pem -days 2 -CA authority.crt -CAkey authority.key -CAcreateserial \
    -extfile extensions -out certificate.pem
)

test_in() {
  local wheel=$1 suite=$2 system=$ROOTS/$2 authority=usr/local/share/ca-certificates/alig-test.crt
  local place
  make_system "$suite"
  say "${wheel##*/} in Debian $suite"
  ! inside "$system" sh -c 'command -v cc c++ cmake' >&2 || die "$system has tools to build with"
  rm -rf --one-file-system "${system:?}"/{test,"$authority",etc/pki,etc/ssl/ca-bundle.pem}
  mkdir -p "$system/test/data/images" "$system/test/support"
  cp "$wheel" "$ROOT/tests/wheel/check_installed.py" "$system/test"
  cp "$ROOT/tests/support/faulty_endpoint.py" "$system/test/support"
  make_images "$system/test/data/images"
  quietly make_certificate "$system/test/data"
  quietly inside "$system" update-ca-certificates --fresh
  quietly inside "$system" python3 -m venv /test/venv
  quietly inside "$system" /test/venv/bin/pip install --no-index "/test/${wheel##*/}"
  check "$system" http
  check "$system" untrusted
  cp "$system/test/data/authority.crt" "$system/$authority"
  quietly inside "$system" update-ca-certificates
  check "$system" trusted
  # Where Red Hat's and SUSE's systems keep them, beside a folder that Debian's own is not in.
  for place in etc/pki/tls/certs/ca-bundle.crt etc/ssl/ca-bundle.pem; do
    say "certificates in /$place"
    mkdir -p "$system/${place%/*}"
    mv "$system/etc/ssl/certs/ca-certificates.crt" "$system/$place"
    check "$system" trusted
    mv "$system/$place" "$system/etc/ssl/certs/ca-certificates.crt"
  done
  check_in_tao "$system" "$wheel"
}

# TAO's own dispatcher, from PyPI, with the wheel: a run of both steps, and doctor's rehearsal.
check_in_tao() {
  local system=$1 wheel=$2 project=$1/test/project layout tests=() variable network=()
  say "with TAO's dispatcher"
  mkdir -p "$project/tests"
  cp -r "$ROOT"/tests/{dispatcher,support,requirements.txt} "$project/tests"
  cp "$ROOT"/{pyproject.toml,README.md} "$project"
  cp -L /etc/resolv.conf "$system/etc/resolv.conf"
  # How this machine reaches PyPI.
  cp -L "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$system/test/machine.crt"
  for variable in $(compgen -e | grep -E '^(PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|(https?|no|all)_proxy)$'); do
    network+=("$variable=${!variable}")
  done
  for layout in 6.26.3 7.3.0; do
    tests+=("tests/dispatcher/test_generate.py::test_both_steps_and_their_report[$layout]"
            "tests/dispatcher/test_api.py::test_doctor_rehearses_a_run_in_each_layout[$layout]")
  done
  # shellcheck disable=SC2016  # for the inner shell
  quietly inside "$system" env "${network[@]}" PIP_CERT=/test/machine.crt HOME=/root \
    "ALIG_WHEEL=/test/${wheel##*/}" bash -euc '
      cd /test/project
      python3 -m venv /test/pytest
      /test/pytest/bin/pip install --quiet --no-compile -r tests/requirements.txt
      /test/pytest/bin/python -m pytest -q -p no:cacheprovider "$@"' - "${tests[@]}"
  tail -n 1 "$LOG"
}

check() {
  inside "$1" env PYTHONDONTWRITEBYTECODE=1 /test/venv/bin/python /test/check_installed.py "$2" /test/data
}

main() {
  [ $# -le 1 ] || die "usage: tools/test_wheel.sh [WHEEL]"
  [ "$(id -u)" -eq 0 ] || die "needs root, for debootstrap and chroot"
  bash "$ROOT/tools/setup.sh" --wheel
  mkdir -p "$ROOTS"
  [ -x "$TOOLS/bin/python" ] || die "run tools/build_wheel.sh first"
  local wheels=("$@") wheel
  [ $# -eq 1 ] || wheels=("$ROOT"/dist/auto_label_image_grounding-*-cp31[13]-*.whl)
  for wheel in "${wheels[@]}"; do
    [ -f "$wheel" ] || die "there is no wheel $wheel; tools/build_wheel.sh makes it"
    case $wheel in
      *-cp311-*) test_in "$wheel" bookworm ;;
      *-cp313-*) test_in "$wheel" trixie ;;
      *) die "${wheel##*/}: neither of Debian 12's Python (cp311) nor of Debian 13's (cp313)" ;;
    esac
  done
  say "passed"
}

main "$@"
