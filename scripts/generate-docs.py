#!/usr/bin/env python3
"""Write docs/options.md and docs/operators.md, or check that they are current.

    generate-docs.py [--check] [--bin build/bin]

The options are what the tools say with --help. The operators come from ONNX's schemas, their state from the backend tests:
test/conformance/expected_failures*.txt lists those that do not pass, and CI checks that these lists are right.
"""
import argparse
import collections
import difflib
import re
import subprocess
import sys
from pathlib import Path

import onnx
import onnx.defs
from onnx.backend.test.loader import load_model_tests

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
TOOLS = ("ssmc", "ssm-run")


def options(folder):
    text = "# Options of the tools\n\nWritten by `scripts/generate-docs.py` from what the tools say with `--help`.\n"
    for tool in TOOLS:
        shown = subprocess.run([folder / tool, "--help"], capture_output=True, text=True, check=True).stdout
        lines = [line.rstrip() for line in shown.replace(str(folder) + "/", "").splitlines()]
        text += f"\n## {tool}\n\n" + "\n".join("    " + line if line else "" for line in lines).strip("\n") + "\n"
    return text


def expected(name):
    path = ROOT / "test/conformance" / name
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("\t", 1) for line in lines if line and line[0] != "#")


def tested_operators():
    """Names of backend tests by the operator each is about."""
    known = {(s.domain, s.name) for s in onnx.defs.get_all_schemas()}
    tests = collections.defaultdict(list)
    for kind in KINDS:
        for test in load_model_tests(kind=kind):
            path = Path(test.model_dir or "") / "model.onnx"
            if not path.exists():
                continue
            nodes = onnx.load(str(path), load_external_data=False).graph.node
            names = [(n.domain if n.domain != "ai.onnx" else "", n.op_type) for n in nodes]
            # A test of a function body is named after its operator; others are about their first node.
            squeezed = test.name.replace("_", "")
            about = next((n for n in names if squeezed.startswith("test" + n[1].lower())), names[0] if names else None)
            if squeezed.endswith("expanded") or "expanded" in squeezed:
                fitting = [k for k in known if squeezed.startswith("test" + k[1].lower())]
                about = max(fitting, key=lambda k: len(k[1]), default=about)
            if about:
                tests[about].append(test.name)
    return tests


def operators():
    lists = expected("expected_failures.txt"), expected("expected_failures_dynamic.txt")
    tests = tested_operators()
    text = ("# Operators\n\nWritten by `scripts/generate-docs.py`. For each operator of ONNX "
            f"{onnx.__version__}: its latest version, how many of ONNX's backend tests about it give the right result, as "
            "written and with every size symbolic, and the reason of the first that does not.\n"
            "Operators of `ai.onnx.ml` and of training are refused by name, as are strings and images.\n")
    for domain in ("", "ai.onnx.preview"):
        text += f"\n## {domain or 'ai.onnx'}\n\n| operator | version | tests | symbolic | open |\n|---|---|---|---|---|\n"
        for schema in sorted((s for s in onnx.defs.get_all_schemas() if s.domain == domain), key=lambda s: s.name):
            names = tests.get((domain, schema.name), [])
            counts = [f"{sum(n not in l for n in names)} of {len(names)}" if names else "" for l in lists]
            reason = next((l[n] for l in lists for n in names if n in l), "")
            reason = re.sub(r"^(refused: )?(error: )?(\S*model\.onnx: )?", "", reason).replace("|", "\\|")
            if schema.deprecated:
                reason = "deprecated; older versions are read"
            text += f"| {schema.name} | {schema.since_version} | {counts[0]} | {counts[1]} | {reason} |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/bin")
    arguments = parser.parse_args()
    stale = 0
    for name, text in (("options.md", options(arguments.bin.resolve())), ("operators.md", operators())):
        path = ROOT / "docs" / name
        if not arguments.check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale += 1
            print(f"docs/{name} is not current; run scripts/generate-docs.py")
            old = path.read_text().splitlines() if path.exists() else []
            print("\n".join(list(difflib.unified_diff(old, text.splitlines(), "committed", "generated", lineterm=""))[:40]))
    return stale


if __name__ == "__main__":
    sys.exit(main())
