#!/usr/bin/env python3
"""Run ssmc --verify-raise over folders of models and list what disagrees and what cannot be verified.

    run.py FOLDER... [--filter REGEX] [--ssmc build/bin/ssmc] [--jobs N] [--table FILE]

Every model.onnx below a folder is a case. A case fails when ssmc says that a part disagrees, or crashes; a model that
ssmc refuses is none. The last line is 'N passed, N failed'.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def verify(path, options):
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.json"
        command = [options.ssmc, path, "-o", f"{scratch}/out.mlirbc", "--compile-to=raise", "--no-weights", "--verify-raise",
                   "--threads=1", f"--report={report}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=options.timeout)
        except subprocess.TimeoutExpired:
            return "timeout", [], f"no end after {options.timeout} s"
        facts = json.loads(report.read_text()) if report.exists() else {}
        entries = facts.get("verified")
        message = " ".join(done.stderr.strip().splitlines()[-2:])[:600]
        if done.returncode not in (0, 1):
            return "crash", entries or [], message
        if entries is None:
            return "refused", [], message
        return ("agrees" if done.returncode == 0 else "disagrees"), entries, message


def describe(entry):
    kinds = ", ".join(entry["kinds"]) or "other operators"
    nodes = entry["nodes"]
    return f"{kinds} of {len(nodes)} nodes ({', '.join(nodes[:3])}{', ...' if len(nodes) > 3 else ''})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--filter", default="")
    parser.add_argument("--ssmc", default=ROOT / "build/bin/ssmc")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--table", type=pathlib.Path)
    options = parser.parse_args()
    models = [m for f in options.folders for m in sorted(f.rglob("*.onnx")) if re.search(options.filter, str(m))]
    parts = failed = 0
    lines, unverifiable = [], []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for model, (state, entries, message) in zip(models, pool.map(lambda m: verify(m, options), models)):
            name = model.parent.name if model.name == "model.onnx" else model.name
            parts += len(entries)
            failed += state in ("disagrees", "crash", "timeout")
            if state != "agrees":
                print(f"{name}: {state}: {message}", flush=True)
            unverifiable += [f"{name}: {describe(e)}: {e['reason']}" for e in entries if e["result"] == "unverifiable"]
            worst = max((e.get("error", 0) for e in entries), default=0)
            lines.append(f"{name}\t{state}\t{len(entries)}\t{worst:.1e}\t{message}\n")
    for line in unverifiable:
        print("unverifiable:", line)
    if options.table:
        options.table.write_text("".join(lines))
    print(f"{len(models)} models, {parts} parts, {len(unverifiable)} unverifiable")
    print(f"{len(models) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
