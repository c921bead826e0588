"""Graphs written node by node, compiled as a user does it: what was raised, and what the library gives."""
import json
import os
import pathlib
import subprocess

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BUILD = pathlib.Path(os.environ.get("SSM_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE, np.dtype(np.int64): TensorProto.INT64,
         np.dtype(np.bool_): TensorProto.BOOL, np.dtype(np.int32): TensorProto.INT32, np.dtype(np.float16): TensorProto.FLOAT16}


class Graph:
    """g.MatMul(a, b) adds a node and gives the name of its result; arrays become constants."""

    def __init__(self, opset=21):
        self.nodes, self.initializers, self.inputs, self.opset = [], [], [], opset
        self.count = 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def input(self, name, array, dims=None):
        """`dims`: names or sizes in place of the array's shape."""
        array = np.asarray(array)
        self.inputs.append((helper.make_tensor_value_info(name, TYPES[array.dtype], list(dims or array.shape)), name, array))
        return name

    def constant(self, array):
        array = np.asarray(array)
        return self.constant_of(array.astype(np.float32) if array.dtype == np.float64 else array)

    def constant_of(self, array):
        """The array in its own type."""
        name = self.name()
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def node(self, op, operands, outputs=1, **attributes):
        names = [o if isinstance(o, str) else "" if o is None else self.constant(o) for o in operands]
        results = [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, names, results, **attributes))
        return results[0] if outputs == 1 else results

    def __getattr__(self, op):
        if not op[0].isupper():
            raise AttributeError(op)
        return lambda *operands, **attributes: self.node(op, operands, **attributes)

    def slice(self, x, start, end, axis, step=1):
        bound = lambda v: v if isinstance(v, str) else self.ints(v)
        return self.Slice(x, bound(start), bound(end), self.ints(axis), self.ints(step))

    def size(self, x, axis):
        """A vector of one."""
        return self.slice(self.Shape(x), axis, axis + 1, 0)

    def body(self, inputs, outputs):
        """The graph of a Scan or Loop: pairs of names and shapes, and an element type behind those that are no floats."""
        infos = [[helper.make_tensor_value_info(name, of[0] if of else TensorProto.FLOAT, shape) for name, shape, *of in side]
                 for side in (inputs, outputs)]
        return helper.make_graph(self.nodes, "body", *infos, self.initializers)

    def model(self, outputs):
        infos = [helper.make_empty_tensor_value_info(o) for o in outputs]
        graph = helper.make_graph(self.nodes, "spelling", [i[0] for i in self.inputs], infos, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        model = onnx.shape_inference.infer_shapes(model)
        for info, output in zip(infos, model.graph.output):
            if not output.type.tensor_type.elem_type:
                output.type.tensor_type.elem_type = TensorProto.FLOAT
        return model


class Compiled:
    def __init__(self, tmp, graph, outputs, options=()):
        self.tmp, self.outputs = pathlib.Path(tmp), outputs
        onnx.save(graph.model(outputs), self.tmp / "model.onnx")
        done = subprocess.run([BUILD / "bin/ssmc", self.tmp / "model.onnx", "-o", self.tmp / "model.so", f"--report={self.tmp}/report.json",
                               *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        report = json.loads((self.tmp / "report.json").read_text())
        self.raised = [r["kind"] for r in report["raised"]]
        self.forms = [r["form"] for r in report["raised"]]
        self.missed = [m["reason"] for m in report["missed"]]

    def __call__(self, feeds):
        np.savez(self.tmp / "in.npz", **feeds)
        done = subprocess.run([BUILD / "bin/ssm-run", self.tmp / "model.so", "--inputs", self.tmp / "in.npz", "--outputs",
                               self.tmp / "out.npz"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with np.load(self.tmp / "out.npz") as out:
            return [out[o] for o in self.outputs]


def check(tmp, graph, outputs, expected, raised, options=(), atol=2e-5, rtol=2e-4, feeds=None):
    """Compiles, compares the kinds that were raised, runs and compares the numbers."""
    compiled = Compiled(tmp, graph, outputs, options)
    assert compiled.raised == raised, compiled.missed
    got = compiled(feeds or {name: array for _, name, array in graph.inputs})
    for g, e in zip(got, expected):
        assert g.shape == np.shape(e)
        np.testing.assert_allclose(g, e, atol=atol, rtol=rtol)
    return compiled
