"""Writes a chain of pairs Pad, Mul with a length and a scalar of their own each: make_lengths.py OUT.onnx PAIRS."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

pairs = int(sys.argv[2])
nodes, constants = [], []
for i in range(pairs):
    constants += [numpy_helper.from_array(np.int64([0, 0, 0, i % 37 + 1]), f"p{i}"), numpy_helper.from_array(np.float32(i + 0.5), f"c{i}")]
    nodes += [helper.make_node("Pad", [f"v{i}", f"p{i}"], [f"q{i}"]), helper.make_node("Mul", [f"q{i}", f"c{i}"], [f"v{i + 1}"])]
graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [4, 64])],
                          [helper.make_tensor_value_info(f"v{pairs}", TensorProto.FLOAT, None)], constants)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), sys.argv[1])
