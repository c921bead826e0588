"""BatchNormalization that trains: statistics of the batch, running ones, every version, ranks and types."""
import numpy as np
import pytest
from onnx import TensorProto, helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc


@pytest.mark.parametrize("version, outputs, shape, dtype",
                         [(version, outputs, shape, np.float32) for version, outputs in [(7, 5), (9, 5), (14, 3), (15, 1)]
                          for shape in [(5, 3), (2, 3, 4, 5)]] + [(15, 3, (4, 3, 6), np.float16), (15, 3, (4, 3, 6), np.float64)])
def test_training(version, outputs, shape, dtype):
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    names = ["x", "scale", "bias", "mean", "variance"]
    attributes = {"training_mode": 1} if version >= 14 else {}
    node = helper.make_node("BatchNormalization", names, [f"y{i}" for i in range(outputs)], epsilon=1e-2, momentum=0.7, **attributes)
    inputs = [helper.make_tensor_value_info(n, element, [None] * len(shape) if n == "x" else [3]) for n in names]
    results = [helper.make_tensor_value_info(n, element, None) for n in node.output]
    model = helper.make_model(helper.make_graph([node], "batch", inputs, results), opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    rng = np.random.default_rng(version)
    values = {n: (rng.standard_normal(shape if n == "x" else 3) + 2).astype(dtype) for n in names}
    x, scale, bias, mean, variance = (v.astype(np.float64) for v in values.values())
    axes = tuple(i for i in range(len(shape)) if i != 1)
    channels = (1, 3) + (1,) * (len(shape) - 2)
    now, spread = x.mean(axis=axes), x.var(axis=axes)
    wanted = [(x - now.reshape(channels)) / np.sqrt(spread.reshape(channels) + 1e-2) * scale.reshape(channels) + bias.reshape(channels),
              0.7 * mean + 0.3 * now, 0.7 * variance + 0.3 * spread, now, spread]
    got = ssm_mlir.compile(model)(**values)
    for name, want in zip(node.output, wanted):
        assert got[name].dtype == dtype
        np.testing.assert_allclose(got[name], want, rtol=1e-2 if dtype == np.float16 else 1e-5, atol=1e-2 if dtype == np.float16 else 1e-5, err_msg=name)


def test_inference_stays():
    node = helper.make_node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"], epsilon=0.0, training_mode=0)
    value = lambda n, *d: helper.make_tensor_value_info(n, TensorProto.FLOAT, d)
    model = helper.make_model(helper.make_graph([node], "batch", [value("x", 2, 1), value("s", 1)], [value("y", 2, 1)]),
                              opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    got = ssm_mlir.compile(model)(x=np.array([[5], [9]], np.float32), s=np.array([4], np.float32))["y"]
    np.testing.assert_allclose(got.ravel(), [6, 14])
