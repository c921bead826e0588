#!/usr/bin/env python3
"""What a compilation costs: linear in nodes, quick for one operator, independent of the bytes of weights.

    compile_time.py --ssmc build/bin/ssmc [--nodes 5000] [--gigabytes 4] [--only NAME]

For each kind of graph, a model of half the nodes and one of all of them are compiled on one core. Fails when doubling the
nodes costs more than 2.3 times, when 5000 nodes take more than 20 s, when an unrolled selective scan of 20000 nodes takes
more than 20 s or a hybrid network of 64 layers more than 60 s, when one small operator takes more than 0.5 s, when anonymous
memory passes 1 GB beside 4 GB of external weights, or when these are packed at less than 500 MB/s.
"""
import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def tensor(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(nodes, inputs, outputs, constants):
    values = [helper.make_tensor_value_info(n, FLOAT, s) for n, s in inputs]
    results = [helper.make_tensor_value_info(n, FLOAT, None) for n in outputs]
    graph = helper.make_graph(nodes, "g", values, results, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def unrolled(count):
    """A recurrence written out step by step, as exporters leave it: five nodes a step and one Concat."""
    nodes, constants = [], [tensor("a", np.float32(np.eye(16) / 2)), tensor("g", np.full((16,), 0.5, np.float32)),
                            tensor("h0", np.zeros((1, 16), np.float32)), tensor("ax", np.int64([1]))]
    state, outputs = "h0", []
    for t in range((count - 1) // 5):
        constants += [tensor(f"i{t}", np.int64(t)), tensor(f"s{t}", np.int64([t])), tensor(f"e{t}", np.int64([t + 1]))]
        nodes += [helper.make_node("Gather", ["x", f"i{t}"], [f"x{t}"], axis=1),
                  helper.make_node("Slice", ["z", f"s{t}", f"e{t}", "ax"], [f"z{t}"]),
                  helper.make_node("MatMul", [state, "a"], [f"m{t}"]),
                  helper.make_node("Mul", [f"m{t}", "g"], [f"p{t}"]),
                  helper.make_node("Add", [f"p{t}", f"x{t}"], [f"h{t + 1}"])]
        state = f"h{t + 1}"
        outputs.append(state)
        if t % 8 == 7:
            outputs.append(f"z{t}")
    steps = (count - 1) // 5
    nodes.append(helper.make_node("Concat", [o for o in outputs if o[0] == "h"], ["y"], axis=0))
    unused = [helper.make_node("Concat", [o for o in outputs if o[0] == "z"], ["w"], axis=1)]
    return model(nodes + unused, [("x", [1, steps, 16]), ("z", [1, steps, 16])], ["y", "w"], constants)


def distinct(count):
    """A chain in which no two operators are equal: each pads or cuts the time axis to a length of its own."""
    nodes, constants, length = [], [], 64
    for i in range(count // 2):
        constants += [tensor(f"p{i}", np.int64([0, 0, 0, i % 37 + 1])), tensor(f"c{i}", np.float32(i))]
        nodes += [helper.make_node("Pad", [f"v{i}", f"p{i}"], [f"q{i}"]),
                  helper.make_node("Mul", [f"q{i}", f"c{i}"], [f"v{i + 1}"])]
        length += i % 37 + 1
    nodes.append(helper.make_node("ReduceSum", [f"v{count // 2}"], ["y"], keepdims=0))
    return model(nodes, [("v0", [4, 64])], ["y"], constants)


def equal(count):
    """Layers of one shape: elementwise operators and products that differ in their weights only."""
    nodes, constants = [], []
    for i in range(count // 4):
        constants += [tensor(f"w{i}", np.full((16, 16), 1 / 16, np.float32)), tensor(f"b{i}", np.zeros(16, np.float32))]
        nodes += [helper.make_node("MatMul", [f"v{i}", f"w{i}"], [f"m{i}"]), helper.make_node("Add", [f"m{i}", f"b{i}"], [f"a{i}"]),
                  helper.make_node("Sigmoid", [f"a{i}"], [f"s{i}"]), helper.make_node("Mul", [f"a{i}", f"s{i}"], [f"v{i + 1}"])]
    return model(nodes, [("v0", ["n", 16])], [f"v{count // 4}"], constants)


def elementwise(count):
    """One long chain over symbolic sizes."""
    nodes = [helper.make_node(("Add", "Mul", "Tanh", "Sub")[i % 4], [f"v{i}"] if i % 4 == 2 else [f"v{i}", "v0"], [f"v{i + 1}"])
             for i in range(count)]
    return model(nodes, [("v0", ["n", "m"])], [f"v{count}"], [])


def scan(count):
    """A selective scan written out step by step: eight nodes a step, raised to one operation."""
    steps = count // 8
    nodes, constants = [], [tensor("last", np.int64([-1])), tensor("front", np.int64([1])), tensor("h0", np.zeros((2, 8, 4), np.float32))]
    state = "h0"
    for t in range(steps):
        constants.append(tensor(f"i{t}", np.int64(t)))
        nodes += [helper.make_node("Gather", [x, f"i{t}"], [f"{x}{t}"], axis=1) for x in "auc"]
        nodes += [helper.make_node("Mul", [f"a{t}", state], [f"k{t}"]), helper.make_node("Add", [f"k{t}", f"u{t}"], [f"h{t}_"]),
                  helper.make_node("Mul", [f"h{t}_", f"c{t}"], [f"m{t}"]),
                  helper.make_node("ReduceSum", [f"m{t}", "last"], [f"y{t}"], keepdims=0),
                  helper.make_node("Unsqueeze", [f"y{t}", "front"], [f"w{t}"])]
        state = f"h{t}_"
    nodes.append(helper.make_node("Concat", [f"w{t}" for t in range(steps)], ["joined"], axis=1))
    return model(nodes, [("a", [2, steps, 8, 4]), ("u", [2, steps, 8, 4]), ("c", [2, steps, 1, 4])], ["joined"], constants)


class Layers:
    """Layers of a hybrid network as an exporter writes them: norms in pieces, Scan, convolution, attention."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0
        self.random = np.random.default_rng(0)

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"t{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        self.count += 1
        self.constants.append(tensor(f"k{self.count}", array))
        return f"k{self.count}"

    def weight(self, *shape):
        return self.constant(np.float32(self.random.standard_normal(shape) * 0.1))

    def ints(self, *values):
        return self.constant(np.int64(values))

    def norm(self, x, width):
        square = self.op("Mul", x, x)
        mean = self.op("ReduceMean", square, self.ints(-1))
        root = self.op("Sqrt", self.op("Add", mean, self.constant(np.float32(1e-5))))
        return self.op("Mul", self.op("Div", x, root), self.weight(width))

    def silu(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def mamba(self, x, width, states=4):
        u, z = self.op("Split", self.op("MatMul", x, self.weight(width, 2 * width)), self.ints(width, width), outputs=2, axis=-1)
        channels = self.op("Transpose", u, perm=[0, 2, 1])
        conv = self.op("Conv", channels, self.weight(width, 1, 4), self.weight(width), group=width, pads=[3, 0])
        u = self.silu(self.op("Transpose", conv, perm=[0, 2, 1]))
        dt = self.op("Softplus", self.op("Add", self.op("MatMul", u, self.weight(width, width)), self.weight(width)))
        b, c = self.op("Split", self.op("MatMul", u, self.weight(width, 2 * states)), self.ints(states, states), outputs=2, axis=-1)
        a = self.constant(-np.exp(np.float32(self.random.standard_normal((width, states)))))
        wide = self.op("Unsqueeze", dt, self.ints(-1))
        decay = self.op("Exp", self.op("Mul", wide, a))
        fed = self.op("Mul", self.op("Mul", wide, self.op("Unsqueeze", b, self.ints(2))), self.op("Unsqueeze", u, self.ints(-1)))
        zero = self.op("Mul", self.op("ReduceSum", self.op("Mul", fed, self.constant(np.float32(0))), self.ints(1), keepdims=0), self.constant(np.float32(0)))
        names = {k: f"b{self.count}_{k}" for k in ("h", "a", "u", "c", "k", "n", "m", "y")}
        body = helper.make_graph(
            [helper.make_node("Mul", [names["a"], names["h"]], [names["k"]]), helper.make_node("Add", [names["k"], names["u"]], [names["n"]]),
             helper.make_node("Mul", [names["n"], names["c"]], [names["m"]]),
             helper.make_node("ReduceSum", [names["m"], self.ints(-1)], [names["y"]], keepdims=0)],
            "step", [helper.make_tensor_value_info(names[k], FLOAT, None) for k in "hauc"],
            [helper.make_tensor_value_info(names[k], FLOAT, None) for k in "ny"])
        read = self.op("Unsqueeze", c, self.ints(2))
        _, y = self.op("Scan", zero, decay, fed, read, outputs=2, body=body, num_scan_inputs=3, scan_input_axes=[1, 1, 1],
                       scan_output_axes=[1])
        y = self.op("Add", y, self.op("Mul", u, self.weight(width)))
        return self.op("MatMul", self.op("Mul", y, self.silu(z)), self.weight(width, width))

    def attention(self, x, width, heads=2):
        split = lambda: self.op("Transpose", self.op("Reshape", self.op("MatMul", x, self.weight(width, width)),
                                                     self.ints(0, 0, heads, width // heads)), perm=[0, 2, 1, 3])
        q, k, v = split(), split(), split()
        scores = self.op("Mul", self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2])), self.constant(np.float32(0.25)))
        o = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.op("MatMul", self.op("Reshape", o, self.ints(0, 0, width)), self.weight(width, width))

    def feed_forward(self, x, width):
        gate, up = (self.op("MatMul", x, self.weight(width, 2 * width)) for _ in range(2))
        return self.op("MatMul", self.op("Mul", self.silu(gate), up), self.weight(2 * width, width))


def network(layers, width=32):
    n, x = Layers(), "x"
    for i in range(layers):
        mixer = n.attention if i % 4 == 3 else n.mamba
        x = n.op("Add", x, mixer(n.norm(x, width), width))
        x = n.op("Add", x, n.feed_forward(n.norm(x, width), width))
    return model(n.nodes, [("x", ["batch", "length", width])], [x], n.constants)


# What is compiled for --nodes 5000, and the processor seconds that it may take. In "distinct" every operator is a function,
# which shares machine code with those that differ in numbers only. "unraised" is compiled with --no-raise: each node is a
# call.
GRAPHS = {"unrolled": (unrolled, 5000, 20), "unraised": (unrolled, 5000, 20), "distinct": (distinct, 5000, 20),
          "equal": (equal, 5000, 20), "elementwise": (elementwise, 5000, 20), "scan": (scan, 20000, 20),
          "network": (network, 64, 60)}


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compile_model(ssmc, path, *flags):
    """Processor seconds of the whole command, which other programs do not lengthen, and seconds of its phases."""
    report = str(path) + ".json"
    start = processor_seconds()
    done = subprocess.run([ssmc, str(path), "-o", str(path) + ".so", f"--report={report}", *flags], capture_output=True, text=True)
    seconds = processor_seconds() - start
    if done.returncode:
        raise SystemExit(f"FAILED {path}: status {done.returncode}: {done.stderr[:400]}")
    return seconds, {p["name"]: p["seconds"] for p in json.loads(Path(report).read_text())["phases"]}


def describe(phases):
    return " ".join(f"{name} {seconds:.2f}" for name, seconds in phases.items() if seconds >= 0.005)


def check_scaling(ssmc, scratch, nodes, names):
    failures = 0
    for name in names:
        build, full, limit = GRAPHS[name]
        count = max(full * nodes // 5000, 2)
        took = []
        for n in (count // 2, count):
            path = Path(scratch, f"{name}{n}.onnx")
            onnx.save(build(n), str(path))
            flags = ["--threads=1"] + ["--no-raise"] * (name == "unraised")
            took.append(min((compile_model(ssmc, path, *flags) for _ in range(2)), key=lambda t: t[0]))
        ratio, seconds = took[1][0] / took[0][0], took[1][0]
        bad = ratio > 2.3 or seconds > limit * max(nodes / 5000, 0.1)
        failures += bad
        unit = "layers" if name == "network" else "nodes"
        print(f"{'FAILED ' if bad else ''}{name}: {count // 2} {unit} {took[0][0]:.2f} s, {count} {unit} {seconds:.2f} s, "
              f"{ratio:.2f} times ({describe(took[1][1])})", flush=True)
    return failures


def check_small(ssmc, scratch):
    path = Path(scratch, "small.onnx")
    onnx.save(model([helper.make_node("Add", ["a", "b"], ["c"])], [("a", ["n"]), ("b", ["n"])], ["c"], []), str(path))
    compile_model(ssmc, path)  # the files of the compiler come from disk the first time
    seconds, phases = min((compile_model(ssmc, path) for _ in range(5)), key=lambda t: t[0])
    print(f"{'FAILED ' if seconds > 0.5 else ''}small: {seconds:.3f} s ({describe(phases)})", flush=True)
    return seconds > 0.5


def anonymous(pid):
    """Anonymous memory of a process in bytes."""
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("RssAnon"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def check_weights(ssmc, scratch, gigabytes):
    """A chain of products whose weights lie in one large, sparse file."""
    size, width = int(gigabytes * 1e9), 4096
    count = size // (width * width * 4)
    nodes, constants = [], []
    for i in range(count):
        nodes.append(helper.make_node("MatMul", [f"v{i}", f"w{i}"], [f"v{i + 1}"]))
        weight = TensorProto(name=f"w{i}", data_type=FLOAT, dims=[width, width], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "weights.bin"), ("offset", i * width * width * 4), ("length", width * width * 4)):
            weight.external_data.add(key=key, value=str(value))
        constants.append(weight)
    path = Path(scratch, "large.onnx")
    onnx.save(model(nodes, [("v0", ["n", width])], [f"v{count}"], constants), str(path))
    with open(Path(scratch, "weights.bin"), "wb") as file:
        file.truncate(count * width * width * 4)
    start, peak = time.monotonic(), 0
    report = Path(scratch, "large.json")
    process = subprocess.Popen([ssmc, str(path), "-o", str(path) + ".so", f"--report={report}"], stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.01)
    if process.returncode:
        print(f"FAILED weights: status {process.returncode}: {process.stderr.read()[:400]}")
        return 1
    seconds = time.monotonic() - start
    phases = {p["name"]: p["seconds"] for p in json.loads(report.read_text())["phases"]}
    packing = phases.get("pack", phases["link"])
    rate = count * width * width * 4 / packing / 1e6
    bad = peak > 1e9 or rate < 500
    for file in Path(scratch).glob("large.onnx.*"):
        file.unlink()
    print(f"{'FAILED ' if bad else ''}weights: {gigabytes} GB in {seconds:.1f} s, packed at {rate:.0f} MB/s, "
          f"anonymous memory {peak / 1e6:.0f} MB ({describe(phases)})", flush=True)
    return int(bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssmc", default="build/bin/ssmc")
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--only", choices=[*GRAPHS, "small", "weights"])
    options = parser.parse_args()
    failures, checks = 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        if options.only in (None, "small"):
            failures += check_small(options.ssmc, scratch)
            checks += 1
        if options.only not in ("small", "weights"):
            names = [options.only] if options.only else list(GRAPHS)
            failures += check_scaling(options.ssmc, scratch, options.nodes, names)
            checks += len(names)
        if options.only in (None, "weights") and options.gigabytes:
            failures += check_weights(options.ssmc, scratch, options.gigabytes)
            checks += 1
    print(f"{checks - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
