#!/usr/bin/env bash
# Run the importer's fuzzer for some seconds, from the models of the robustness tests: run.sh FUZZER SECONDS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}/venv/bin/python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/corpus"
"$python" - "$here/../robustness" "$scratch/corpus" <<'PY'
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import models
for name, make in models.ALL.items():
    pathlib.Path(sys.argv[2], name).write_bytes(make().SerializeToString())
PY
"$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$scratch/" "$scratch/corpus" || {
  for file in "$scratch"/crash-* "$scratch"/timeout-* "$scratch"/oom-*; do
    [[ -e $file ]] && cp "$file" "$PWD" && echo "kept $PWD/$(basename "$file")"
  done
  exit 1
}
