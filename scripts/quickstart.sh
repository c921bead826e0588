#!/usr/bin/env bash
# Install what is missing, build, compile a real model (magika's file-type network, from its PyPI package), run it and
# show the result.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/build.sh"
cache=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}
work=$root/build/quickstart
mkdir -p "$work"
if [[ ! -e $work/model.onnx ]]; then
  "$cache/venv/bin/pip" download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$work" magika==1.0.1
  "$cache/venv/bin/python" - "$work" <<'PY'
import pathlib, sys, zipfile
work = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("magika-*.whl"))) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("model.onnx"))
    (work / "model.onnx").write_bytes(wheel.read(name))
PY
fi
echo "+ ssmc model.onnx -o model.so"
"$root/build/bin/ssmc" "$work/model.onnx" -o "$work/model.so"
ls -l "$work"/model.so
echo "+ ssm-run model.so --random --dims batch=1 --benchmark"
"$root/build/bin/ssm-run" "$work/model.so" --random --dims batch=1 --benchmark
