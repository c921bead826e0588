#!/usr/bin/env bash
# Run the tests: a quick set, or all of them with --full. The last line counts them.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}
python=$cache/venv/bin/python
every=20
models=(-k basic_pitch)
[[ ${1:-} == --full ]] && every=1 models=()
passed=0
failed=0
count() { # count NAME COMMAND...: one test that passes or fails
  if "${@:2}"; then
    passed=$((passed + 1))
  else
    echo "FAILED: $1"
    failed=$((failed + 1))
  fi
}
add() { # add TOOL PASSED FAILED
  passed=$((passed + $2))
  failed=$((failed + $3))
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$cache/venv/bin/lit" -sv "$root/build/test" 2>&1 | tee "$log"
add lit "$(sed -n 's/^ *Passed *: *\([0-9]*\).*/\1/p' "$log" | head -1 | grep . || echo 0)" \
  "$(sed -n 's/^ *\(Failed\|Unresolved\|Timed Out\) *: *\([0-9]*\).*/\2/p' "$log" | head -1 | grep . || echo 0)"

count "generated sources are current" "$root/scripts/check-generated.sh"
# Unit tests and pytest are ctest's.
"$cache/venv/bin/ctest" --test-dir "$root/build" --output-on-failure 2>&1 | tee "$log"
total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log" | grep . || echo 0)
bad=$(sed -n 's/.* tests passed, \([0-9]*\) tests failed.*/\1/p' "$log" | grep . || echo 0)
add ctest $((total - bad)) "$bad"
[[ $every == 1 ]] && count "all mixer tests" env SSM_BUILD="$root/build" "$python" -m pytest -q "$root/test/mixers"
count "ONNX backend tests" "$python" "$root/test/conformance/run.py" --ssmc "$root/build/bin/ssmc" --every "$every"
count "ONNX backend tests, dynamic" "$python" "$root/test/conformance/run.py" --ssmc "$root/build/bin/ssmc" --every "$every" --dynamic
count "real models" "$python" -m pytest -q "$root/test/models" "${models[@]}"
echo "$passed passed, $failed failed"
((failed == 0))
