#!/usr/bin/env bash
# Install what a build needs on Debian 12: packages, a Python environment, and libonnx in a cached prefix.
# Prints nothing but progress; safe to run again (everything already there is kept).
# Other systems: install the same tools by hand (README, "Other systems"), then run this with --no-apt.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/cmake/versions.env"
cache=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}
mkdir -p "$cache"

packages=(g++ clang-$LLVM_VERSION clang-format-$LLVM_VERSION lld-$LLVM_VERSION libmlir-$LLVM_VERSION-dev
          mlir-$LLVM_VERSION-tools llvm-$LLVM_VERSION-dev llvm-$LLVM_VERSION-tools libomp-$LLVM_VERSION-dev
          libclang-rt-$LLVM_VERSION-dev zlib1g-dev libprotobuf-dev protobuf-compiler ninja-build ccache libgtest-dev
          python3 python3-venv python3-dev)
if [[ ${1:-} != --no-apt ]]; then
  missing=()
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
  done
  if ((${#missing[@]})); then
    sudo=$([[ $(id -u) == 0 ]] || echo sudo)
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "${missing[@]}"
  fi
fi

# The Python environment carries CMake (libonnx needs 3.26), lit, the peers that tests compare with, and our package.
requirements=$root/scripts/requirements.txt
stamp=$cache/venv/.installed-$(sha256sum "$requirements" | cut -c1-16)
if [[ ! -e $stamp ]]; then
  [[ -x $cache/venv/bin/python ]] || python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install -q --disable-pip-version-check -r "$requirements"
  touch "$stamp"
fi

"$root/scripts/build-libonnx.sh" "$cache"
