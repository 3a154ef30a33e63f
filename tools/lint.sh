#!/usr/bin/env bash
# Formatting (clang-format), shell scripts (bash -n) and words that do not belong into the project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v clang-format-14 >/dev/null || {
  echo "lint: installing clang-format-14"
  apt-get update -qq && apt-get install -y -qq --no-install-recommends clang-format-14 >/dev/null
}
git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run --Werror
while read -r script; do bash -n "$script"; done < <(git ls-files '*.sh' .ci/run)
echo "lint: clean"
