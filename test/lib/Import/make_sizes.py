"""A model with an input whose sizes have no name, and one whose sizes share one."""
import sys

import onnx
from onnx import TensorProto, helper

inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["?", "?"]),
          helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "n"])]
outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("a", "b")]
nodes = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Neg", ["y"], ["b"])]
onnx.save(helper.make_model(helper.make_graph(nodes, "sizes", inputs, outputs), opset_imports=[helper.make_opsetid("", 20)]),
          sys.argv[1])
