# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/run and tools/test: installs what is missing, and builds.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Installs the packages of tools/packages that are not there. Needs root only if any is missing.
install_packages() {
  local missing=() package
  while read -r package _; do
    [[ -z $package || $package == \#* ]] && continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done <"$top/tools/packages"
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    echo "missing packages: run this once as root, or: apt-get install ${missing[*]}" >&2
    exit 2
  fi
  echo "installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  # nginx must not begin to serve the machine's own address: services are not started (invoke-rc.d(8)).
  apt-get update -qq >&2
  RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build DIRECTORY [MESON OPTIONS...]: what has not changed is not built again.
build() {
  local directory=$1 log
  shift
  log=$(mktemp)
  # A build that goes well is quiet; one that does not shows all it had to say.
  if ! { { [[ -f $directory/build.ninja ]] || meson setup "$directory" "$top" "$@"; } && ninja -C "$directory"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
}
