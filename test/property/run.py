#!/usr/bin/env python3
"""Compile random recurrences with and without raising and compare both with NumPy in float64.

    run.py [--seeds N] [--first N] [--together N] [--ssmc build/bin/ssmc] [--jobs N] [--save DIR]

Several seeds go into one model. A seed fails when raising makes its numbers worse than float32 explains, or ssmc refuses
or crashes. `--save` writes the models of the seeds to a folder, one folder each, for test/verify/run.py. The last line is
'N passed, N failed'.
"""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import recurrences
from evaluate import evaluate

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 60  # seconds of one program; a model of six seeds takes one or two


def run_program(command, flags):
    name = pathlib.Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name} {' '.join(flags)}: takes more than {LIMIT} s") from None
    if done.returncode:
        raise RuntimeError(f"{name} {' '.join(flags)}: exit {done.returncode}: " + " ".join(done.stderr.split())[-300:])


def compiled(proto, feeds, folder, options, *flags):
    """Outputs of the compiled model for each feed by name, and what was raised."""
    onnx.save(proto, folder / "model.onnx")
    run_program([options.ssmc, folder / "model.onnx", "-o", folder / "model.so", "--threads=1", f"--report={folder}/report.json",
                 *flags], flags)
    outputs = []
    for feed in feeds:
        np.savez(folder / "in.npz", **feed)
        run_program([pathlib.Path(options.ssmc).with_name("ssm-run"), folder / "model.so", "--inputs", folder / "in.npz", "--outputs",
                     folder / "out.npz", "--threads", "1"], flags)
        with np.load(folder / "out.npz") as out:
            outputs.append({name: out[name] for name in out.files})
    return outputs, json.loads((folder / "report.json").read_text())["raised"]


def error(got, want):
    """Relative to the largest element; elements that are not finite in `want` count for nothing."""
    if got.shape != want.shape:
        return np.inf
    finite = np.isfinite(want)
    if not finite.any():
        return 0.0
    difference = np.abs(got[finite].astype(np.float64) - want[finite])
    worst = np.max(np.where(np.isnan(difference), np.inf, difference))
    return worst / max(np.max(np.abs(want[finite])), 1e-3)


def run(seeds, options):
    """A message for each seed that fails, and the kinds raised."""
    prefix = lambda seed: f"s{seed}_" if len(seeds) > 1 else ""
    models = {s: recurrences.build(s, "float32", prefix(s)) for s in seeds}
    wants = {}
    for seed, model in models.items():
        exact = recurrences.build(seed, "float64", prefix(seed))
        graph = recurrences.to_proto([exact]).graph
        wants[seed] = [dict(zip((o.name for o in exact.outputs), evaluate(graph, feed))) for feed in exact.feeds]
    proto = recurrences.to_proto(models.values())
    feeds = [{k: v for m in models.values() for k, v in m.feeds[i].items()} for i in range(2)]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            plain, _ = compiled(proto, feeds, pathlib.Path(scratch), options, "--no-raise")
            raised, entries = compiled(proto, feeds, pathlib.Path(scratch), options)
    except RuntimeError as e:
        if len(seeds) == 1:
            return [f"seed {seeds[0]} ({'; '.join(models[seeds[0]].story)}): {e}"], []
        apart = [run([s], options) for s in seeds]
        return [f for failures, _ in apart for f in failures], [k for _, kinds in apart for k in kinds]
    failures = []
    for seed in seeds:
        for which, name in [(i, n) for i in range(2) for n in wants[seed][i]]:
            want = wants[seed][which][name]
            before, after = error(plain[which][name], want), error(raised[which][name], want)
            # As written it may lose digits, and says how many.
            for what, e, allowed in (("without raising", before, 2e-2), ("raised", after, max(1e-4, 10 * min(before, 2e-2)))):
                if not e <= allowed:
                    failures.append(f"seed {seed} ({'; '.join(models[seed].story)}): {name} {what} is off by {e:.2e}, "
                                    f"without raising by {before:.2e}")
    return list({f.split(":")[0]: f for f in failures}.values()), [e["kind"] for e in entries]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--together", type=int, default=6)
    parser.add_argument("--ssmc", default=ROOT / "build/bin/ssmc")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--save", type=pathlib.Path)
    options = parser.parse_args()
    seeds = list(range(options.first, options.first + options.seeds))
    if options.save:
        for seed in seeds:
            (options.save / f"seed{seed}").mkdir(parents=True, exist_ok=True)
            onnx.save(recurrences.to_proto([recurrences.build(seed)]), options.save / f"seed{seed}/model.onnx")
        return
    batches = [seeds[i:i + options.together] for i in range(0, len(seeds), options.together)]
    failed, kinds = 0, collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for failures, found in pool.map(lambda b: run(b, options), batches):
            failed += len(failures)
            kinds.update(found)
            for f in failures:
                print(f, flush=True)
    print("raised:", ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())))
    print(f"{len(seeds) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
