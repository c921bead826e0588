#!/usr/bin/env bash
# Run the tests: a quick set, or all of them with --full. The last line counts them.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${SSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ssm-mlir}
python=$cache/venv/bin/python
bin=$root/build/bin
# The quick set takes samples of what has thousands of cases.
every=20 truncations=10 mutations=40 compile_time=(--nodes 1000 --gigabytes 0) fuzz=20 models=(-k basic_pitch) seeds=36 verified=12
memory=(--lengths 64 1024)
if [[ ${1:-} == --full ]]; then
  every=1 truncations=200 mutations=2000 compile_time=() fuzz=300 models=() seeds=1000 verified=200 memory=()
elif [[ $# -gt 0 ]]; then
  echo "usage: scripts/test.sh [--full]" >&2
  exit 1
fi
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# sum PATTERN: the sum of the first number in every line of the log that matches; the pattern captures it.
sum() { sed -nE "s/$1/\\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'; }
add() { # add PASSED FAILED
  passed=$((passed + $1))
  failed=$((failed + $2))
}
# suite NAME COMMAND...: a program whose own last counts are added ("N passed, N failed"); shown when something fails.
suite() {
  echo "== $1"
  "${@:2}" >"$log" 2>&1
  local status=$? good bad
  good=$(sum '^.*[^0-9]?\b([0-9]+) passed.*$')
  bad=$(sum '^.*[^0-9]\b([0-9]+) failed.*$')
  if ((status && !bad)); then
    bad=1
  fi
  if ((bad)); then
    tail -60 "$log"
    echo "FAILED: $1"
  else
    tail -1 "$log"
  fi
  add "$good" "$bad"
}
# check NAME COMMAND...: one test that passes or fails.
check() {
  echo "== $1"
  if "${@:2}" >"$log" 2>&1; then
    add 1 0
  else
    tail -60 "$log"
    echo "FAILED: $1"
    add 0 1
  fi
}

echo "== lit"
"$cache/venv/bin/lit" -sv "$root/build/test" >"$log" 2>&1 || tail -100 "$log"
add "$(sum '^ *Passed *: *([0-9]+).*')" "$(($(sum '^ *Failed *: *([0-9]+).*') + $(sum '^ *Unresolved *: *([0-9]+).*') + $(sum '^ *Timed Out *: *([0-9]+).*')))"

# Unit tests and pytest are ctest's; their own counts are added, not ctest's.
echo "== unit tests and pytest"
"$cache/venv/bin/ctest" --test-dir "$root/build" -V >"$log" 2>&1
status=$?
bad=$(($(sum '.*\[  FAILED  \] ([0-9]+) tests?, listed below.*') + $(sum '.*[^0-9]([0-9]+) failed.* in [0-9.]+s.*') +
  $(sum '.*[^0-9]([0-9]+) errors? in [0-9.]+s.*')))
((status && !bad)) && bad=1
if ((bad)); then
  "$cache/venv/bin/ctest" --test-dir "$root/build" --rerun-failed --output-on-failure 2>&1 | tail -100
fi
add $(($(sum '.*\[  PASSED  \] ([0-9]+) tests?\..*') + $(sum '.*[^0-9]([0-9]+) passed.* in [0-9.]+s.*'))) "$bad"

check "generated sources are current" "$root/scripts/check-generated.sh"
check "generated documentation is current" "$python" "$root/scripts/generate-docs.py" --check
if ((every == 1)); then
  suite "all spellings" env SSM_BUILD="$root/build" "$python" -m pytest -q "$root/test/spellings"
  suite "all mixer tests" env SSM_BUILD="$root/build" "$python" -m pytest -q "$root/test/mixers"
fi
suite "ONNX backend tests" "$python" "$root/test/conformance/run.py" --ssmc "$bin/ssmc" --every "$every"
suite "ONNX backend tests, sizes symbolic" "$python" "$root/test/conformance/run.py" --ssmc "$bin/ssmc" --every "$every" --dynamic
suite "real models" "$python" -m pytest -q "$root/test/models" "${models[@]}"
suite "damaged models" "$python" "$root/test/robustness/run.py" --ssmc "$bin/ssmc" --truncations "$truncations" --mutations "$mutations"
suite "compile time" "$python" "$root/test/benchmark/compile_time.py" --ssmc "$bin/ssmc" "${compile_time[@]}"
suite "memory of raised mixers" "$python" "$root/test/benchmark/memory.py" --ssmc "$bin/ssmc" "${memory[@]}"
suite "random recurrences" "$python" "$root/test/property/run.py" --ssmc "$bin/ssmc" --seeds "$seeds"
generated=$(mktemp -d)
trap 'rm -rf "$log" "$generated"' EXIT
"$python" "$root/test/property/run.py" --seeds "$verified" --save "$generated"
suite "random recurrences, verified" "$python" "$root/test/verify/run.py" --ssmc "$bin/ssmc" "$generated"
if [[ -x $bin/ssm-import-fuzzer ]]; then
  check "importer fuzzer" "$root/test/fuzz/run.sh" "$bin/ssm-import-fuzzer" "$fuzz"
fi
echo "$passed passed, $failed failed"
((failed == 0))
