#!/usr/bin/env python3
"""Peak memory of raised mixers: grows as the length times the channels, whatever the spelling.

    memory.py [--ssmc build/bin/ssmc] [--lengths 256 4096] [--only NAME]

A selective scan and an SSD block are written in each spelling, compiled for the shorter and the longer length and run; the
peak is what the library says of its arena (`ssm-run --benchmark=json`). Fails when the peak of the longer one is more than
1.15 times what the lengths' ratio makes of the shorter one, or more than four tensors of the length times the channels, which
no spelling that keeps a state for each step can do with, or more than 1.05 times what another spelling of the block takes.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
D, N = 64, 8           # channels and states of the selective scan
H, P, CHUNK = 4, 16, 64 # heads and channels of the SSD block, and its chunks


class Writer:
    def __init__(self, nodes=None, shared=None):
        self.nodes = [] if nodes is None else nodes
        self.shared = shared or {"count": 0, "constants": []}

    def name(self):
        self.shared["count"] += 1
        return f"v{self.shared['count']}"

    def constant(self, array):
        name = self.name()
        self.shared["constants"].append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, *values):
        return self.constant(np.int64(values))

    def number(self, value):
        return self.constant(np.float32(value))

    def weight(self, *shape):
        return self.constant(np.float32(np.random.default_rng(len(shape)).standard_normal(shape) * 0.3))

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def __getattr__(self, kind):
        return lambda *inputs, **attributes: self.op(kind, *inputs, **attributes)

    def body(self):
        return Writer([], self.shared)


def value(name, shape=None):
    return helper.make_tensor_value_info(name, FLOAT, shape)


def by_scan(w, step, h0, sequences, length):
    body = w.body()
    state, slices = w.name(), [w.name() for _ in sequences]
    results = [body.Identity(r) for r in step(body, state, slices)]
    graph = helper.make_graph(body.nodes, "step", [value(n) for n in [state] + slices], [value(r) for r in results])
    return w.op("Scan", h0, *sequences, outputs=2, body=graph, num_scan_inputs=len(sequences), scan_input_axes=[1] * len(sequences),
                scan_output_axes=[1])[1]


def by_loop(w, step, h0, sequences, length):
    body = w.body()
    i, go, state = w.name(), w.name(), w.name()
    slices = [body.Gather(s, i, axis=1) for s in sequences]
    results = [body.Identity(r) for r in [go, *step(body, state, slices)]]
    inputs = [helper.make_tensor_value_info(i, TensorProto.INT64, []), helper.make_tensor_value_info(go, TensorProto.BOOL, []), value(state)]
    outputs = [helper.make_tensor_value_info(results[0], TensorProto.BOOL, [])] + [value(r) for r in results[1:]]
    graph = helper.make_graph(body.nodes, "step", inputs, outputs)
    y = w.op("Loop", w.constant(np.int64(length)), w.constant(np.array(True)), h0, outputs=2, body=graph)[1]
    return w.op("Transpose", y, perm=[1, 0] + list(range(2, 3 if step is selective_step else 4)))


def unrolled(w, step, h0, sequences, length):
    columns, state = [], h0
    for t in range(length):
        state, y = step(w, state, [w.Gather(s, w.constant(np.int64(t)), axis=1) for s in sequences])
        columns.append(w.Unsqueeze(y, w.ints(1)))
    return w.op("Concat", *columns, axis=1)


# --- h = exp(dt A) h + dt B u,  y = C h ------------------------------------------------------------------------------------

def selective_step(w, h, slices):
    decay, fed, c = slices
    h = w.Add(w.Mul(decay, h), fed)
    return h, w.ReduceSum(w.Mul(h, w.Unsqueeze(c, w.ints(1))), w.ints(-1), keepdims=0)


def hillis(w, decay, fed, length):
    by = 1
    while by < length:
        shifted = [w.op("Concat", w.constant(np.full((1, by, D, N), fill, np.float32)),
                        w.Slice(x, w.ints(0), w.ints(length - by), w.ints(1)), axis=1) for x, fill in ((decay, 1), (fed, 0))]
        fed = w.Add(w.Mul(decay, shifted[1]), fed)
        decay = w.Mul(decay, shifted[0])
        by *= 2
    return fed


def selective_scan(spelling, length):
    w = Writer()
    dt = w.Softplus(w.Add("dt", w.weight(D)))
    wide = w.Unsqueeze(dt, w.ints(-1))
    log = w.Mul(wide, w.constant(-np.exp(np.float32(np.random.default_rng(0).standard_normal((D, N))))))
    fed = w.Mul(w.Mul(wide, w.Unsqueeze("B", w.ints(2))), w.Unsqueeze("u", w.ints(-1)))
    h0 = w.constant(np.zeros((1, D, N), np.float32))
    if spelling in STEPWISE:
        y = STEPWISE[spelling](w, selective_step, h0, [w.Exp(log), fed, "C"], length)
    else:
        if spelling == "doubling":
            h = hillis(w, w.Exp(log), fed, length)
        else:
            cs = w.CumSum(log, w.constant(np.int64(1)))
            h = w.Mul(w.Exp(cs), w.CumSum(w.Mul(w.Exp(w.Neg(cs)), fed), w.constant(np.int64(1))))
        y = w.ReduceSum(w.Mul(h, w.Unsqueeze("C", w.ints(2))), w.ints(-1), keepdims=0)
    y = w.Add(y, w.Mul("u", w.weight(D)))
    return w, y, [("dt", [1, length, D]), ("u", [1, length, D]), ("B", [1, length, N]), ("C", [1, length, N])]


# --- S = exp(dt a) S + dt x B^T per head,  y = S C ---------------------------------------------------------------------------

def ssd_step(w, s, slices):
    decay, x, b, c = slices
    wide = w.Unsqueeze(decay, w.ints(-1, -2))
    s = w.Add(w.Mul(wide, s), w.Mul(w.Unsqueeze(x, w.ints(-1)), w.Unsqueeze(b, w.ints(1, 2))))
    return s, w.ReduceSum(w.Mul(s, w.Unsqueeze(c, w.ints(1, 2))), w.ints(-1), keepdims=0)


def segment_sums(w, log, size, *lead):
    """exp(cs_i - cs_j) for j <= i of (..., size), by masked cumulative sums."""
    wide = w.Expand(w.Unsqueeze(log, w.ints(-1)), w.ints(1, H, *lead, size, size))
    inside = w.Where(w.constant(np.tril(np.ones((size, size)), -1) > 0), wide, w.number(0))
    sums = w.CumSum(inside, w.constant(np.int64(-2)))
    return w.Exp(w.Where(w.constant(np.tril(np.ones((size, size)), 0) > 0), sums, w.number(-np.inf)))


def quadratic(w, log, fed, length):
    kernel = segment_sums(w, w.op("Transpose", log, perm=[0, 2, 1]), length)
    scores = w.MatMul("C", w.op("Transpose", "B", perm=[0, 2, 1]))
    return w.op("Einsum", w.Mul(w.Unsqueeze(scores, w.ints(1)), kernel), fed, equation="bhls,bshp->blhp")


def chunked(w, log, fed, length):
    count = length // CHUNK
    x = w.Reshape(fed, w.ints(1, count, CHUNK, H, P))
    b, c = (w.Reshape(v, w.ints(1, count, CHUNK, N)) for v in "BC")
    a = w.op("Transpose", w.Reshape(log, w.ints(1, count, CHUNK, H)), perm=[0, 3, 1, 2])
    cs = w.CumSum(a, w.constant(np.int64(3)))
    within = w.op("Einsum", c, b, segment_sums(w, a, CHUNK, count), x, equation="bcln,bcsn,bhcls,bcshp->bclhp")
    last = w.Slice(cs, w.ints(CHUNK - 1), w.ints(CHUNK), w.ints(3))
    states = w.op("Einsum", b, w.Exp(w.Sub(last, cs)), x, equation="bcln,bhcl,bclhp->bchpn")
    states = w.op("Concat", w.constant(np.zeros((1, 1, H, P, N), np.float32)), states, axis=1)
    sums = w.op("Pad", w.Squeeze(last, w.ints(3)), w.ints(0, 0, 1, 0, 0, 0))
    states = w.op("Einsum", segment_sums(w, sums, count + 1), states, equation="bhzc,bchpn->bzhpn")
    states = w.Slice(states, w.ints(0), w.ints(count), w.ints(1))
    between = w.op("Einsum", c, states, w.Exp(cs), equation="bcln,bchpn,bhcl->bclhp")
    return w.Reshape(w.Add(within, between), w.ints(1, length, H, P))


def ssd(spelling, length):
    w = Writer()
    dt = w.Softplus(w.Add("dt", w.weight(H)))
    log = w.Mul(dt, w.constant(np.float32([-0.5, -1, -0.1, -2])))
    fed = w.Mul("x", w.Unsqueeze(dt, w.ints(-1)))
    if spelling in STEPWISE:
        y = STEPWISE[spelling](w, ssd_step, w.constant(np.zeros((1, H, P, N), np.float32)), [w.Exp(log), fed, "B", "C"], length)
    else:
        y = (quadratic if spelling == "quadratic" else chunked)(w, log, fed, length)
    return w, y, [("dt", [1, length, H]), ("x", [1, length, H, P]), ("B", [1, length, N]), ("C", [1, length, N])]


STEPWISE = {"scan": by_scan, "loop": by_loop, "unrolled": unrolled}
BLOCKS = {"selective_scan": (selective_scan, [*STEPWISE, "doubling", "cumulative"]), "ssd": (ssd, [*STEPWISE, "quadratic", "chunked"])}


def peak(ssmc, folder, block, spelling, length):
    """Bytes, and what was raised."""
    w, y, inputs = BLOCKS[block][0](spelling, length)
    graph = helper.make_graph(w.nodes, "g", [value(n, s) for n, s in inputs], [value(y)], w.shared["constants"])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "m.onnx")
    done = subprocess.run([ssmc, folder / "m.onnx", "-o", folder / "m.so", f"--report={folder}/r.json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"FAILED {block} {spelling}: status {done.returncode}: {done.stderr[:400]}")
    done = subprocess.run([Path(ssmc).with_name("ssm-run"), folder / "m.so", "--random", "--benchmark=json", "--seconds", "0.05", "--threads", "1"],
                          capture_output=True, text=True, check=True)
    kinds = [e["kind"] for e in json.loads((folder / "r.json").read_text())["raised"]]
    return json.loads(done.stdout)["peak_bytes"], kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssmc", default="build/bin/ssmc")
    parser.add_argument("--lengths", type=int, nargs=2, default=[256, 4096])
    parser.add_argument("--only", choices=BLOCKS)
    options = parser.parse_args()
    short, long = options.lengths
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for block in [options.only] if options.only else BLOCKS:
            rows = {s: [peak(options.ssmc, Path(scratch), block, s, n) for n in options.lengths] for s in BLOCKS[block][1]}
            tensor = 4 * long * (D if block == "selective_scan" else H * P)
            least = min(after for _, (after, _) in rows.values())
            for spelling, ((before, _), (after, kinds)) in rows.items():
                bad = after > 1.15 * before * long / short or after > 4 * tensor or after > 1.05 * least
                failed += bad
                passed += not bad
                print(f"{'FAILED ' if bad else ''}{block} {spelling}: {before / 1024:.0f} KiB at {short}, {after / 1024:.0f} KiB at "
                      f"{long}, {after / before:.1f} times; raised {', '.join(kinds) or 'nothing'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
