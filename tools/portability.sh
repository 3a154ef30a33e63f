#!/usr/bin/env bash
# Proves that the project builds and works on a bare Debian: makes a minimal root with debootstrap,
# clones the committed tree into it, and runs there what README.md tells a reader to run.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/portability.sh [--all] [--fresh] [SUITE [COMPILER]]
  SUITE      the release (default trixie)
  COMPILER   g++-13, clang++-19 …, or "default", the suite's own g++ (default g++-13, the compiler
             of TAO's container)
  --all      README.md's commands as a whole, copied from it: the demo, then all tests. Without
             it: the demo, the C++ tests, the wheel; each thing is compiled once.
  --fresh    rebuild the root. Otherwise it is kept until tools/setup.sh changes.
Needs root and the right to mount. Roots, logs and caches are in build/portability.
TEXT
}

die() { echo "portability: $*" >&2; exit 1; }
misuse() { usage >&2; echo "portability: $*" >&2; exit 2; }

readonly project_in_root=/root/auto_label_image_grounding

parse_arguments() {
  local positional=()
  all=0 fresh=0
  while [ $# -gt 0 ]; do
    case "$1" in
      --all) all=1 ;;
      --fresh) fresh=1 ;;
      -h | --help) usage; exit 0 ;;
      -*) misuse "unknown option $1" ;;
      *) positional+=("$1") ;;
    esac
    shift
  done
  [ ${#positional[@]} -le 2 ] || misuse "too many arguments: ${positional[*]}"
  suite=${positional[0]:-trixie}
  compiler=${positional[1]:-g++-13}
  [[ $suite =~ ^[a-z]+$ ]] || misuse "no name of a suite: $suite"
  [[ $compiler =~ ^(default|(g|clang)\+\+(-[0-9]+)?)$ ]] ||
    misuse "unknown compiler $compiler: g++, g++-13, clang++-19 … or default"
}

# Prints "<mirror> <keyring>" of the machine's own archive: the source of the machine's own release.
find_archive() {
  local codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  {
    find /etc/apt -name '*.sources' -exec awk '
      function tell() { if (type ~ /deb( |$)/ && enabled !~ /no/) print uri, key, suites }
      /^#/ { next }
      NF == 0 || FNR == 1 { tell(); type = uri = suites = enabled = ""; key = "-" }
      { name = tolower($1) }
      name == "types:" { type = $0 }
      name == "enabled:" { enabled = $2 }
      name == "uris:" { uri = $2 }
      name == "signed-by:" && NF > 1 { key = $2 }
      name == "suites:" { suites = $0 }
      END { tell() }' {} \;
    find /etc/apt -name '*.list' -exec awk '
      $1 == "deb" {
        key = "-"
        for (i = 2; $i ~ /=/ || $i ~ /^\[/ || $i ~ /\]$/; ++i)
          if (match($i, /signed-by=[^],]*/)) key = substr($i, RSTART + 10, RLENGTH - 10)
        print $i, key, $(i + 1)
      }' {} \;
  } | awk -v suite="$codename" '
    { for (i = 3; i <= NF; ++i) if ($i == suite) { print $1, $2; exit } }'
}

check_machine() {
  [ "$(id -u)" -eq 0 ] || die "must run as root: it makes a root folder and mounts into it"
  if ! command -v debootstrap >/dev/null; then
    echo "portability: installing debootstrap"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } \
      >/dev/null || die "debootstrap is missing, and apt-get cannot install it"
  fi
  local scripts=/usr/share/debootstrap/scripts
  [ -e "$scripts/$suite" ] || die "unknown suite $suite: there is no $scripts/$suite"
  unshare --mount --pid --fork true 2>/dev/null ||
    die "no right to mount: in a container, start it with --privileged"
  local archive
  archive=$(find_archive)
  [ -n "$archive" ] || die "no archive of this machine's own release in /etc/apt"
  read -r mirror keyring <<<"$archive"
  [ "$keyring" != - ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
}

# --- In separate namespaces: mounts and processes end with this script ---

# phase NAME COMMAND…: one line on the screen; the output goes to the log.
phase() {
  local name=$1 status=0 began=$SECONDS
  shift
  printf 'portability: %-10s' "$name"
  echo "=== $name" >>"$log"
  # In a subshell with set -e, which has no effect within a condition.
  set +e
  (set -e; "$@") >>"$log" 2>&1 9>&-
  status=$?
  set -e
  printf ' %4d s\n' $((SECONDS - began))
  [ "$status" -eq 0 ] && return
  tail -n 60 "$log" >&2
  die "$name failed in $suite with $compiler (status $status); all of it: $log"
}

remove_root() {
  # Nothing on this machine may be deleted through a leftover mount.
  ! grep -qF " $root/" /proc/self/mountinfo || die "something is mounted below $root"
  rm -rf --one-file-system -- "$root"
}

# A kept root is as good as a new one as long as it was made by the same tools/setup.sh.
make_root() {
  local made_by=$root/made-by
  if [ "$fresh" = 0 ] && cmp -s "$made_by" <(sha256sum <tools/setup.sh); then return; fi
  remove_root
  mkdir -p "$root" "$home/archives/$suite"
  debootstrap --variant=minbase --include=ca-certificates,git --keyring="$keyring" \
    --cache-dir="$home/archives/$suite" "$suite" "$root" "$mirror"
  echo "deb $mirror $suite main" >"$root/etc/apt/sources.list"
  sha256sum <tools/setup.sh >"$made_by"
}

mount_into_root() {
  mkdir -p "$home/ccache" "$home/pip" "$home/archives/$suite" "$root/cache/ccache" "$root/cache/pip"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mount --bind "$home/archives/$suite" "$root/var/cache/apt/archives"
  mount --bind "$home/ccache" "$root/cache/ccache"
  mount --bind "$home/pip" "$root/cache/pip"
}

# How this machine reaches the network: names, certificates, apt's and pip's settings.
hand_in_network() {
  local file
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  apt-config dump | grep -E '^Acquire::(Check-|Retries|http|https)' \
    >"$root/etc/apt/apt.conf.d/99machine" || true
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf /root/.config/pip/pip.conf \
    /root/.pip/pip.conf ${PIP_CERT:+"$PIP_CERT"}; do
    if [ -f "$file" ]; then install -D -m 644 "$file" "$root$file"; fi
  done
}

clone_tree() {
  rm -rf --one-file-system -- "${root:?}$project_in_root"
  git clone --quiet --no-hardlinks . "$root$project_in_root"
}

# in_root COMMAND…: in the clone, with no more of this machine's environment than the network needs.
in_root() {
  local environment=(
    HOME=/root USER=root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    CCACHE_DIR=/cache/ccache CCACHE_MAXSIZE=2G CMAKE_CXX_COMPILER_LAUNCHER=ccache
    "CCACHE_BASEDIR=$project_in_root" CCACHE_NOHASHDIR=1
    PIP_CACHE_DIR=/cache/pip PIP_ROOT_USER_ACTION=ignore
  )
  local variable
  for variable in $(compgen -e | grep -E '^(PIP_.*|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY)$'); do
    environment+=("$variable=${!variable}")
  done
  case "$compiler" in
    default) ;;
    clang*) environment+=("CC=${compiler/clang++/clang}" "CXX=$compiler") ;;
    *) environment+=("CC=${compiler/g++/gcc}" "CXX=$compiler") ;;
  esac
  env --default-signal chroot "$root" env -i "${environment[@]}" \
    bash -euo pipefail -c "cd $project_in_root; $*"
}

install_compiler() {
  local package=${compiler/clang++/clang}
  in_root "dpkg --configure -a"  # of a run that was stopped
  [ "$package" = default ] && return
  in_root "dpkg-query -W -f='\${Status}' $package 2>/dev/null | grep -q 'ok installed'" && return
  in_root "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
    apt-get update -qq
    apt-cache show $package >/dev/null || { echo '$suite has no compiler $compiler' >&2; exit 1; }
    apt-get install -y -qq --no-install-recommends $package"
}

# The commands below README.md's "Try it", as written there.
readme_commands() {
  sed -n '/^## Try it/,/^## Label/s/^\(bash [a-z/.]*\) .*/\1/p' "$root$project_in_root/README.md"
}

run_readme_command() {
  [ "$(readme_commands)" = $'bash demo/run.sh\nbash tests/run.sh' ] ||
    die "README.md's commands are no longer the two that this script knows"
  in_root "$(readme_commands | grep -F "$1")"
}

cpp_tests() {
  in_root 'bash tools/setup.sh --tests
    cmake --build --preset release --parallel "$(nproc)"
    ctest --preset release --parallel "$(nproc)"'
}

# In a folder and with flags that let ccache find what the steps before have compiled.
wheel() {
  in_root 'export SKBUILD_BUILD_DIR=build/wheel-build SKBUILD_CMAKE_DEFINE=ALIG_WARNINGS_AS_ERRORS=ON
    python3 -m venv build/venv
    build/venv/bin/pip install --quiet .
    build/venv/bin/python -m auto_label_image_grounding doctor'
}

wheel_run() {
  in_root 'build/release/demo/teacher/demo-teacher --port 0 --port-file build/port &
    trap "kill $!" EXIT
    for _ in $(seq 100); do [ -s build/port ] && break; sleep 0.1; done
    port=$(cat build/port)
    cd build
    venv/bin/python - "$port" <<PYTHON
import sys
import auto_label_image_grounding as alig
data = {"input_jsonl": "../demo/data/captions.jsonl", "image_root": "../demo/data"}
vlm = {"backend": "openai", "openai": {"base_url": f"http://127.0.0.1:{sys.argv[1]}/v1",
                                       "model_name": "demo-teacher"}}
summary = alig.run({"image_grounding": {"data": data, "vlm": vlm}}, results_dir="wheel-results")
sys.exit(f"failed records: {summary}" if summary["records"]["failed"] else 0)
PYTHON'
}

run_inside() {
  trap 'exit 130' INT
  trap 'exit 143' TERM
  : >"$log"
  phase root make_root
  mount_into_root  # not a phase: those run in a subshell
  hand_in_network
  clone_tree
  phase compiler install_compiler
  phase demo run_readme_command demo/run.sh
  if [ "$all" = 1 ]; then
    phase tests run_readme_command tests/run.sh
    return
  fi
  phase ctest cpp_tests
  phase wheel wheel
  phase alig.run wheel_run
}

# --- Outside of them ---

tell_what_is_tested() {
  local changed
  changed=$(git status --porcelain | wc -l)
  echo "portability: commit $(git rev-parse --short HEAD) in a minimal $suite, compiler $compiler"
  [ "$changed" -eq 0 ] || echo "portability: $changed uncommitted files do not count"
}

main() {
  parse_arguments "$@"
  cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
  home=$PWD/build/portability
  root=$home/$suite-$compiler
  log=$root.log
  check_machine
  if [ "${ALIG_PORTABILITY_INSIDE:-}" = 1 ]; then run_inside; return; fi
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock --nonblock 9 || die "another run is at work in $home"
  tell_what_is_tested
  # --kill-child: all that runs inside ends with unshare, however that ends.
  ALIG_PORTABILITY_INSIDE=1 unshare --mount --pid --fork --mount-proc --kill-child \
    --propagation private bash tools/portability.sh "$@" &
  local inside=$!
  trap 'kill -KILL "$inside" 2>/dev/null || true; printf "\nportability: stopped\n" >&2' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local status=0
  wait "$inside" || status=$?
  trap - EXIT
  return "$status"
}

main "$@"; exit  # on one line: the file may change while this runs
