#!/usr/bin/env bash
# Install what is missing and build everything into build/.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/install-deps.sh" "$@"
cache=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}
"$cache/venv/bin/cmake" -G Ninja -S "$root" -B "$root/build" >"$root/build.log" 2>&1 || { tail -30 "$root/build.log" >&2; exit 1; }
ninja -C "$root/build" all ssm-import-fuzzer
rm -f "$root/build.log"
