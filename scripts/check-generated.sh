#!/usr/bin/env bash
# The generated sources of the onnx dialect must be what the generator makes from the pinned libonnx.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$cache/venv/bin/python" "$root/tools/onnx-dialect-gen/onnx_dialect_gen.py" "$scratch"
for file in "$scratch"/*; do
  cmp "$file" "$root/dialects/Onnx/generated/$(basename "$file")"
done
