"""ssmc --verify-raise: what it compares, what it finds, and what it says."""
import json
import os
import pathlib
import subprocess

import onnx
import onnx.parser
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("SSM_BUILD", str(ROOT / "build"))) / "bin"

SCAN = """
<ir_version: 10, opset_import: ["": 21]>
recurrence (float[L, 4] raw, float[L, 4] x) => (float[L, 4] y, float[4] last)
<float zero = {0.0}> {
  [gate] a = Sigmoid (raw)
  four = Constant <value_ints = [4]> ()
  h0 = ConstantOfShape (four)
  [loop] last, h = Scan <num_scan_inputs = 2, body = step (float[4] s, float[4] at, float[4] xt) => (float[4] next, float[4] out) {
    [decayed] d = Mul (at, s)
    next = Add (d, xt)
    out = Identity (next)
  }> (h0, a, x)
  [after] y = Tanh (h)
}
"""


def ssmc(*arguments, code=0):
    done = subprocess.run([BIN / "ssmc", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def save(folder, text, name="model.onnx"):
    onnx.save(onnx.parser.parse_model(text), folder / name)
    return folder / name


def test_agreement(tmp_path):
    model = save(tmp_path, SCAN)
    ssmc(model, "-o", tmp_path / "m.so", "--verify-raise", f"--report={tmp_path}/r.json")
    report = json.loads((tmp_path / "r.json").read_text())
    [entry] = report["verified"]
    assert entry["kinds"] == ["selective_scan"] and entry["result"] == "agrees" and "loop" in entry["nodes"]
    assert entry["runs"] > 100 and entry["error"] < 1e-12 and not entry["whole"]
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"model.onnx", "m.so", "r.json"}
    ssmc(model, "-o", tmp_path / "m.so", f"--report={tmp_path}/r.json")
    assert "verified" not in json.loads((tmp_path / "r.json").read_text())


def test_no_raise(tmp_path):
    model = save(tmp_path, SCAN)
    ssmc(model, "-o", tmp_path / "m.so", "--no-raise", f"--report={tmp_path}/r.json")
    assert json.loads((tmp_path / "r.json").read_text())["raised"] == []
    said = ssmc(model, "-o", tmp_path / "m.so", "--no-raise", "--verify-raise", code=1).stderr
    assert "--no-raise and --verify-raise exclude each other" in said


def test_unverifiable(tmp_path):
    """What has no other implementation is listed with the reason."""
    model = save(tmp_path, """
<ir_version: 14, opset_import: ["": 27]>
fused (float[1, 5, 8] q, float[1, 5, 8] k, float[1, 5, 8] v) => (float[1, 5, 8] y) {
  [attend] y, state = LinearAttention <q_num_heads = 2, kv_num_heads = 2, update_rule = "linear"> (q, k, v)
}""")
    ssmc(model, "-o", tmp_path / "m.so", "--verify-raise", f"--report={tmp_path}/r.json")
    [entry] = json.loads((tmp_path / "r.json").read_text())["verified"]
    assert entry["result"] == "unverifiable" and "LinearAttention is not supported" in entry["reason"]


def compare(folder, before, after, single="", tolerance=1e-7, inputs=1):
    """What the child process finds between two expressions of x."""
    def library(name, expression, element):
        if not expression:
            return ""
        arguments = ", ".join(f"{element}[N] x{i}" for i in range(inputs))
        text = f'<ir_version: 10, opset_import: ["": 21]> g ({arguments}) => ({element}[N] y) {{ {expression} }}'
        ssmc(save(folder, text, f"{name}.onnx"), "-o", folder / f"{name}.so", "--no-raise")
        return str(folder / f"{name}.so")
    plan = {"before": library("before", before, "double"), "after": library("after", after, "double"),
            "single": library("single", single, "float"), "tolerance": tolerance, "seconds": 10,
            "sizes": [[[9]] * inputs], "groups": [{"inputs": list(range(inputs)), "outputs": [0], "tests_nan": False}]}
    (folder / "plan").write_text(json.dumps(plan))
    ssmc(folder / "plan", "-o", folder / "found", "--compare-sides")
    [group] = json.loads((folder / "found").read_text())["groups"]
    return group


SQUARED = "d = Add (x0, x0) y = Mul (d, x0)"


@pytest.mark.parametrize("after, kind", [
    ("y = Mul (x0, x0)", "normal"),
    ("c = Constant <value_ints = [-1]> () d = Add (x0, x0) p = Mul (d, x0) y = ReduceMax <keepdims = 1> (p, c)", "normal"),
    ("one = Constant <value_float = 1.0> () w = Cast <to = 11> (one) l = Less (x0, w) d = Add (x0, x0) p = Mul (d, x0)"
     " y = Where (l, p, x0)", "normal"),
    # only the spike is that large
    # only a spike is that large, and infinity in place of a number is never excused
    ("c = Constant <value_float = 1000.0> () w = Cast <to = 11> (c) l = Less (x0, w) d = Add (x0, x0) p = Mul (d, x0)"
     " z = Sub (w, w) i = Div (w, z) y = Where (l, p, i)", "one spike (input 0)"),
])
def test_disagreement(tmp_path, after, kind):
    found = compare(tmp_path, SQUARED, after)
    assert found["error"] > 1e-7 and found["kind"] == kind and found["output"] == 0 and found["sizes"] == 0


def test_no_disagreement(tmp_path):
    found = compare(tmp_path, SQUARED, "p = Mul (x0, x0) y = Add (p, p)")
    assert found["kind"] == "" and found["compared"] == found["runs"] > 10 and found["worst"] < 1e-15


def test_infinities_are_not_compared(tmp_path):
    """exp(x) exp(-x) is 1 wherever it is a number."""
    found = compare(tmp_path, "n = Neg (x0) a = Exp (x0) b = Exp (n) p = Mul (a, b) y = Mul (p, x0)", "y = Identity (x0)")
    assert found["kind"] == "" and found["compared"] > 0


def test_rounding_is_no_disagreement(tmp_path):
    """(x + 1e12) - 1e12 loses 13 digits; float32 loses all."""
    lossy = "c = Constant <value_float = 1.0e12> () b = Cast <to = {}> (c) s = Add (x0, b) y = Sub (s, b)"
    assert compare(tmp_path, lossy.format(11), "y = Identity (x0)")["kind"] == "normal"
    found = compare(tmp_path, lossy.format(11), "y = Identity (x0)", lossy.format(1))
    assert found["kind"] == ""
    # a slip of the raised side is one even so
    assert compare(tmp_path, SQUARED, "y = Mul (x0, x0)", SQUARED)["kind"] == "normal"
