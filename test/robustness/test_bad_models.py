"""Files that are wrong in one known way: each is refused with a message that says so, and nothing is left behind."""
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import limits
import models

SSMC = os.environ.get("SSM_SSMC", str(Path(__file__).parents[2] / "build/bin/ssmc"))
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs=None, outputs=None, constants=(), opset=21, domains=(), **more):
    graph = helper.make_graph(nodes, "g", inputs or [value("x", ["n", 4])], outputs or [value("y", None)], constants)
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    return helper.make_model(graph, **{"opset_imports": opsets, "ir_version": 10, **more})


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, inputs, outputs, name="the_node", **attributes)


def ints(name, *values):
    return numpy_helper.from_array(np.int64(values), name)


def nested(depth):
    """If inside If, depth times."""
    graph = leaf = helper.make_graph([node("Identity", ["x"])], "leaf", [], [value("y", None)])
    for i in range(depth):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=leaf)], f"g{i}", [],
                                  [value("y", None)])
    return model(graph.node, [value("x", [2]), value("c", [], TensorProto.BOOL)])


def external(location, offset=None, length=None):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4, 4], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", offset), ("length", length)):
        if text is not None:
            tensor.external_data.add(key=key, value=str(text))
    return model([node("MatMul", ["x", "w"])], constants=[tensor])


def functions(*bodies):
    """Functions f0, f1 ... of domain local, each with the given calls, and a node that calls f0."""
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]
    made = []
    for i, calls in enumerate(bodies):
        nodes = [helper.make_node(op, [f"t{k}"], [f"t{k + 1}"], domain="local" if op[0] == "f" else "") for k, op in enumerate(calls)]
        made.append(helper.make_function("local", f"f{i}", ["t0"], [f"t{len(calls)}"], nodes, opsets))
    return model([node("f0", ["x"], domain="local")], domains=["local"], functions=made)


def typed(name, data, dtype=FLOAT, dims=None):
    return TensorProto(name=name, data_type=dtype, dims=dims if dims is not None else [len(data)], raw_data=bytes(data))


def changed(base, change):
    change(base)
    return base


RELU = lambda **more: model([node("Relu", ["x"])], **more)
CASES = {
    "cycle": (lambda: model([helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Neg", ["a"], ["b"]), node("Relu", ["b"])]),
              "input 'b' is computed nowhere before"),
    "self_cycle": (lambda: model([node("Add", ["x", "y"])]), "input 'y' is computed nowhere before"),
    "missing_input": (lambda: model([node("Relu", ["nothing"])]), "input 'nothing' is computed nowhere before"),
    "missing_output": (lambda: RELU(outputs=[value("z", None)]), "output 'z' is not computed"),
    "too_few_inputs": (lambda: model([node("Add", ["x"])]), "the_node"),
    "too_many_inputs": (lambda: model([node("Relu", ["x", "x"])]), "the_node"),
    "too_many_outputs": (lambda: model([node("Relu", ["x"], ["y", "z"])]), "the_node"),
    "no_outputs": (lambda: model([node("Relu", ["x"], []), helper.make_node("Abs", ["x"], ["y"])]), "the_node"),
    "defined_twice": (lambda: model([helper.make_node("Neg", ["x"], ["y"]), node("Relu", ["x"])]), "'y' is defined twice"),
    "input_redefined": (lambda: model([node("Relu", ["x"], ["x"])], outputs=[value("x", None)]), "'x' is defined twice"),
    "two_equal_inputs": (lambda: RELU(inputs=[value("x", [2]), value("x", [3])]), "'x' is defined twice"),
    "unknown_operator": (lambda: model([node("Frobnicate", ["x"])]), "'the_node' (ai.onnx Frobnicate-21): unknown operator"),
    "unknown_domain": (lambda: model([node("Relu", ["x"], domain="com.acme")]), "domain 'com.acme' is not imported"),
    "operator_too_new": (lambda: model([node("Gelu", ["x"])], opset=13), "Gelu-13): unknown operator"),
    "ml_operator": (lambda: model([node("Scaler", ["x"], domain="ai.onnx.ml")], domains=["ai.onnx.ml"]), "operators of ai.onnx.ml are not supported"),
    "wrong_attribute_kind": (lambda: model([node("Softmax", ["x"], axis=1.5)]), "axis"),
    "unknown_attribute": (lambda: model([node("Relu", ["x"], slope=1)]), "slope"),
    "missing_attribute": (lambda: model([node("Concat", ["x", "x"])]), "axis"),
    "attribute_twice": (lambda: changed(model([node("Softmax", ["x"], axis=1)]), lambda m: m.graph.node[0].attribute.append(
        helper.make_attribute("axis", 0))), "attribute 'axis' is given twice"),
    "attribute_of_function": (lambda: changed(model([node("Softmax", ["x"])]), lambda m: m.graph.node[0].attribute.append(
        AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="axis"))), "outside of a function"),
    "axis_out_of_range": (lambda: model([node("Softmax", ["x"], axis=7)]), "the_node"),
    "axis_far_out_of_range": (lambda: model([node("Concat", ["x", "x"], axis=1 << 62)]), "the_node"),
    "permutation": (lambda: model([node("Transpose", ["x"], perm=[0, 5])]), "the_node"),
    "permutation_twice": (lambda: model([node("Transpose", ["x"], perm=[0, 0])]), "the_node"),
    "types_differ": (lambda: model([node("Add", ["x", "i"])], constants=[ints("i", 1)]), "tensor(int64)"),
    "type_not_allowed": (lambda: model([node("Sin", ["i"])], inputs=[value("i", [2], INT64)]), "tensor(int64), which Sin-7 does not allow"),
    "sequence_for_tensor": (lambda: model([helper.make_node("SequenceConstruct", ["x"], ["s"]), node("Relu", ["s"])]), "seq(tensor(float))"),
    "tensor_for_sequence": (lambda: model([node("SequenceLength", ["x"])]), "tensor(float)"),
    "strings": (lambda: RELU(inputs=[value("x", [2], TensorProto.STRING)]), "string tensors are not supported"),
    "unknown_element_type": (lambda: RELU(inputs=[value("x", [2], 77)]), "unknown element type 77"),
    "no_element_type": (lambda: RELU(inputs=[value("x", [2], 0)]), "unknown element type 0"),
    "unknown_rank": (lambda: RELU(inputs=[helper.make_tensor_value_info("x", FLOAT, None)]), "unknown rank"),
    "shapes_conflict": (lambda: model([node("MatMul", ["x", "w"])], constants=[numpy_helper.from_array(np.zeros((3, 3), np.float32), "w")]), "the_node"),
    "broadcast_conflict": (lambda: model([node("Add", ["x", "w"])], constants=[numpy_helper.from_array(np.zeros((3,), np.float32), "w")]), "the_node"),
    "huge_dimension": (lambda: RELU(inputs=[value("x", [1 << 40, 1 << 40])]), "2^46 elements"),
    "largest_dimension": (lambda: RELU(inputs=[value("x", [(1 << 63) - 1, 2])]), "2^46 elements"),
    "huge_constant": (lambda: model([node("Add", ["x", "w"])], constants=[typed("w", b"", dims=[1 << 40])]), "0 bytes of data"),
    "negative_constant": (lambda: model([node("Add", ["x", "w"])], constants=[typed("w", b"", dims=[-4])]), "impossible dimension -4"),
    "overflowing_constant": (lambda: model([node("Add", ["x", "w"])], constants=[typed("w", b"", dims=[1 << 32] * 4)]), "impossible dimension"),
    "short_constant": (lambda: model([node("Add", ["x", "w"])], constants=[typed("w", b"123", dims=[4])]), "3 bytes of data, its type needs 16"),
    "long_constant": (lambda: model([node("Add", ["x", "w"])], constants=[typed("w", b"1" * 99, dims=[4])]), "99 bytes of data, its type needs 16"),
    "huge_pad": (lambda: model([node("Pad", ["x", "p"])], constants=[ints("p", 0, 1 << 61, 0, 1 << 61)]), "the_node"),
    "outputs_miscounted": (lambda: model([node("Split", ["x"], ["y", "z"], num_outputs=(1 << 31) - 1)]), "num_outputs is not the number of its outputs"),
    "added_rank": (lambda: model([node("Gemm", ["x", "w", "c"])], inputs=[value("x", [2, 4]), value("w", [4, 3]), value("c", [1, 2, 3])]), "does not broadcast"),
    "added_shape": (lambda: model([node("Gemm", ["x", "w", "c"])], inputs=[value("x", [2, 4]), value("w", [4, 3]), value("c", [2])]), "does not broadcast"),
    "negative_pad": (lambda: model([node("Pad", ["x", "p"])], constants=[ints("p", 0, -9, 0, -9)]), "the_node"),
    "huge_expand": (lambda: model([node("Expand", ["x", "s"])], constants=[ints("s", 1 << 50, 1, 4)]), "the_node"),
    "negative_shape": (lambda: model([node("ConstantOfShape", ["s"])], constants=[ints("s", -5, 2)]), "the_node"),
    "two_unknown_sizes": (lambda: model([node("Reshape", ["x", "s"])], constants=[ints("s", -1, -1)]), "the_node"),
    "huge_tile": (lambda: model([node("Tile", ["x", "s"])], constants=[ints("s", 1, 1 << 62)]), "the_node"),
    "rank_17_input": (lambda: RELU(inputs=[value("x", [1] * 17)]), "rank 17 is more than 16"),
    "rank_17_constant": (lambda: model([node("Add", ["x", "w"])], constants=[typed("w", b"1234", dims=[1] * 17)]), "rank 17 is more than 16"),
    "rank_17_result": (lambda: model([node("Unsqueeze", ["x", "a"])], constants=[ints("a", *range(15))]), "rank 17, more than 16"),
    "opset_0": (lambda: RELU(opset=0), "opset 0 of ai.onnx"),
    "opset_negative": (lambda: RELU(opset=-3), "opset -3 of ai.onnx"),
    "opset_huge": (lambda: RELU(opset=1 << 40), "opset 1099511627776 of ai.onnx"),
    "no_opset": (lambda: changed(RELU(), lambda m: m.ClearField("opset_import")), "domain '' is not imported"),
    "ir_version_huge": (lambda: RELU(ir_version=1 << 40), "IR version 1099511627776"),
    "no_graph": (lambda: changed(RELU(), lambda m: m.ClearField("graph")), "is not an ONNX model"),
    "external_missing": (lambda: external("nowhere.bin"), "external data 'nowhere.bin' cannot be read"),
    "external_no_location": (lambda: external(None), "is not a relative path"),
    "external_absolute": (lambda: external("/etc/passwd"), "is not a relative path"),
    "external_traversal": (lambda: external("../secret.bin"), "leaves the model's folder"),
    "external_hidden_traversal": (lambda: external("a/../../secret.bin"), "leaves the model's folder"),
    "external_folder": (lambda: external("."), "is not a file"),
    "external_nul": (lambda: external("weights.bin\0.png"), "is not a relative path"),
    "external_beyond_end": (lambda: external("weights.bin", 4096 + 512 - 32), "needs 64 bytes at 4576"),
    "external_offset_overflow": (lambda: external("weights.bin", (1 << 64) - 8), "needs 64 bytes"),
    "external_negative_offset": (lambda: external("weights.bin", -1), "has the offset '-1'"),
    "external_offset_text": (lambda: external("weights.bin", "many"), "has the offset 'many'"),
    "external_wrong_length": (lambda: external("weights.bin", 0, 60), "needs 64 bytes"),
    "function_calls_itself": (lambda: functions(["Relu", "f0"]), "cannot compile|cycle|recurs"),
    "functions_call_each_other": (lambda: functions(["f1"], ["f0"]), "cannot compile|cycle|recurs"),
    "functions_multiply": (lambda: functions(*[[f"f{i + 1}"] * 8 for i in range(9)], ["Relu"]), "once its functions are expanded"),
    "scan_without_inputs": (lambda: model([node("Scan", ["x"], num_scan_inputs=5, body=helper.make_graph(
        [helper.make_node("Neg", ["a"], ["b"])], "b", [value("a", [4])], [value("b", [4])]))]), "num_scan_inputs is 5"),
    "loop_carries_another_type": (lambda: model([node("Loop", ["", "", "x"], body=helper.make_graph(
        [helper.make_node("Cast", ["a"], ["b"], to=INT64), helper.make_node("Identity", ["c"], ["d"])], "b",
        [value("i", [], INT64), value("c", [], TensorProto.BOOL), value("a", None)],
        [value("d", [], TensorProto.BOOL), value("b", None, INT64)]))]), "carried value 0 changes its type from tensor(float)"),
    "branches_differ": (lambda: model([node("If", ["c"], then_branch=helper.make_graph([helper.make_node("Neg", ["x"], ["a"])], "t", [], [value("a", None)]),
                                            else_branch=helper.make_graph([helper.make_node("Shape", ["x"], ["b"])], "e", [], [value("b", None, INT64)]))],
                                      inputs=[value("x", [2]), value("c", [], TensorProto.BOOL)]), "its branches give output 0 the types"),
    "body_with_other_inputs": (lambda: model([node("Loop", ["", "", "x"], body=helper.make_graph([], "b", [], []))]), "subgraph 'b' has 0 inputs, 3 are given"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name, tmp_path):
    make, expected = CASES[name]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(make().SerializeToString())
    (folder / "weights.bin").write_bytes(models.external_data())
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    status, text = limits.compile_file(SSMC, folder / "model.onnx", folder / "model.so", f"--report={tmp_path}/report.json")
    assert status == 1, (status, text)
    assert any(part in text for part in expected.split("|")), text
    assert (tmp_path / "report.json").exists() and sorted(os.listdir(folder)) == ["model.onnx", "weights.bin"]


@pytest.mark.parametrize("make", [lambda: nested(20), lambda: changed(RELU(), lambda m: m.ClearField("ir_version"))])
def test_unusual_but_right(make, tmp_path):
    (tmp_path / "model.onnx").write_bytes(make().SerializeToString())
    status, text = limits.compile_file(SSMC, tmp_path / "model.onnx", tmp_path / "model.so")
    assert status == 0, (status, text)


def test_every_problem_in_one_report(tmp_path):
    nodes = [helper.make_node(op, ["x"], [f"o{i}"], name=f"bad{i}") for i, op in enumerate(("Foo", "Bar", "Relu", "Baz"))]
    (tmp_path / "model.onnx").write_bytes(model(nodes, outputs=[value("o2", None)]).SerializeToString())
    status, text = limits.compile_file(SSMC, tmp_path / "model.onnx", tmp_path / "model.so")
    assert status == 1 and "3 of 4 nodes" in text and all(f"'bad{i}'" in text for i in (0, 1, 3)), text


@pytest.mark.parametrize("name, content", [("empty", b""), ("text", b"hello"), ("zeros", bytes(1000)), ("ones", b"\xff" * 1000)])
def test_not_a_model(name, content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    status, text = limits.compile_file(SSMC, tmp_path / "model.onnx", tmp_path / "model.so")
    assert status == 1 and "is not an ONNX model" in text


def test_not_a_file(tmp_path):
    assert limits.compile_file(SSMC, tmp_path, tmp_path / "model.so")[0] == 1
    assert limits.compile_file(SSMC, tmp_path / "none.onnx", tmp_path / "model.so")[0] == 1


def test_output_cannot_be_written(tmp_path):
    (tmp_path / "model.onnx").write_bytes(models.cnn().SerializeToString())
    status, text = limits.compile_file(SSMC, tmp_path / "model.onnx", tmp_path / "nowhere" / "model.so")
    assert status == 1 and "cannot write" in text
