#!/usr/bin/env bash
# Build libonnx once from its source distribution into CACHE/onnx-VERSION-KEY and link CACHE/onnx to it.
# KEY covers the version, the options and the compiler, so a change of any of them builds anew.
# Our copy lives in a C++ namespace of its own, so it can share a process with the Python package onnx.
set -euo pipefail
cache=$1
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/cmake/versions.env"
options=(-DONNX_ML=ON -DONNX_NAMESPACE=ssm_onnx -DONNX_USE_UNITY_BUILD=ON -DCMAKE_POSITION_INDEPENDENT_CODE=ON
         -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang-$LLVM_VERSION -DCMAKE_CXX_COMPILER=clang++-$LLVM_VERSION
         -DCMAKE_CXX_VISIBILITY_PRESET=hidden -DCMAKE_VISIBILITY_INLINES_HIDDEN=ON)
key=$(printf '%s\n' "$ONNX_VERSION" "${options[@]}" "$(clang++-$LLVM_VERSION --version | head -1)" | sha256sum | cut -c1-12)
prefix=$cache/onnx-$ONNX_VERSION-$key
if [[ ! -e $prefix/lib/libonnx.a ]]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$cache/venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary onnx -d "$scratch" "onnx==$ONNX_VERSION"
  tar -xf "$scratch/onnx-$ONNX_VERSION.tar.gz" -C "$scratch"
  "$cache/venv/bin/cmake" -G Ninja -S "$scratch/onnx-$ONNX_VERSION" -B "$scratch/build" "${options[@]}" \
    -DPython3_EXECUTABLE="$cache/venv/bin/python" -DCMAKE_INSTALL_PREFIX="$scratch/install" >"$scratch/log" 2>&1 &&
    ninja -C "$scratch/build" install >>"$scratch/log" 2>&1 || { tail -40 "$scratch/log" >&2; exit 1; }
  mv "$scratch/install" "$prefix"
fi
ln -sfn "$prefix" "$cache/onnx"
