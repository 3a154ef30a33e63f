#!/usr/bin/env bash
# Makes build/gateways, what tests/gateways puts between the program and an endpoint: LiteLLM in a virtual
# environment, and Debian's nginx. That is unpacked, not installed: the package would start a service.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
requirements=tests/gateways/requirements-litellm.txt
folder=build/gateways
mkdir -p "$folder"
log=$folder/install.log
exec 9>"$folder/lock"
flock 9
: >"$log"
quietly() { "$@" >>"$log" 2>&1 || { cat "$log" >&2; echo "gateways: failed: $*" >&2; exit 1; }; }

if ! cmp -s "$requirements" "$folder/litellm/requirements.txt"; then
  echo "gateways: installing $(grep '^litellm==' "$requirements") with what it needs in $folder/litellm"
  quietly python3 -m venv --clear "$folder/litellm"
  quietly "$folder/litellm/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$folder/litellm/requirements.txt"
fi

download_nginx() (
  cd "$1"
  apt-get download -qq -o APT::Sandbox::User="$(id -un)" nginx
)
if ! "$folder/nginx/usr/sbin/nginx" -v 2>/dev/null; then
  echo "gateways: unpacking Debian's nginx in $folder/nginx"
  package=$(mktemp -d)
  trap 'rm -rf "$package"' EXIT
  if ! download_nginx "$package" >>"$log" 2>&1; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    quietly $sudo apt-get update -qq
    quietly download_nginx "$package"
  fi
  quietly dpkg-deb -x "$package"/nginx_*.deb "$folder/nginx"
  quietly "$folder/nginx/usr/sbin/nginx" -v
fi
