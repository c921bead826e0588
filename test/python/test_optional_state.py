"""A Loop whose state is an optional, absent at first, and whose body gives a tensor or a sequence: so does the Loop."""
import numpy as np
import pytest
from onnx import TensorProto, helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc


def value(name, kind, dims):
    return helper.make_tensor_value_info(name, kind, dims)


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 3])
def test_optional_state(sequence, turns):
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    inner = helper.make_sequence_type_proto(tensor) if sequence else tensor
    kind = helper.make_optional_type_proto(inner)
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["k"]), helper.make_node("Add", ["x", "x"], ["twice"]),
         *([helper.make_node("SequenceConstruct", ["x", "twice"], ["next"])] if sequence else [helper.make_node("Identity", ["twice"], ["next"])])],
        "body", [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), helper.make_value_info("s", kind)],
        [value("k", TensorProto.BOOL, []), helper.make_value_info("next", inner)])
    nodes = [helper.make_node("Optional", [], ["none"], type=inner), helper.make_node("Loop", ["n", "", "none"], ["end"], body=body),
             helper.make_node("OptionalHasElement", ["end"], ["has"])]
    graph = helper.make_graph(nodes, "optional", [value("n", TensorProto.INT64, []), value("x", TensorProto.FLOAT, [2])],
                              [value("has", TensorProto.BOOL, []), helper.make_value_info("end", inner)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    x = np.array([1, 2], np.float32)
    compiled = ssm_mlir.compile(model)
    if turns == 0:
        with pytest.raises(ssm_mlir.Error, match="the optional has no element"):
            compiled(n=np.array(0, np.int64), x=x)
        return
    got = compiled(n=np.array(turns, np.int64), x=x)
    assert got["has"]
    if sequence:
        np.testing.assert_array_equal(np.stack(got["end"]), [x, 2 * x])
    else:
        np.testing.assert_array_equal(got["end"], 2 * x)
