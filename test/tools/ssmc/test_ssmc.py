"""ssmc's contract: flags, phases, reports, exit status, and what is left on the disk."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("SSM_BUILD", str(ROOT / "build"))) / "bin"
sys.path.insert(0, str(ROOT / "test/robustness"))
import models

PHASES = re.findall(r"^  (\w+) +\S", subprocess.run([BIN / "ssmc", "--help"], capture_output=True, text=True).stdout.split("Phases:")[1]
                    .split("USAGE")[0], re.M)


def ssmc(*arguments, code=0):
    done = subprocess.run([BIN / "ssmc", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def results(library, folder):
    """Outputs for one fixed input."""
    subprocess.run([BIN / "ssm-run", library, "--random", "--dims", "batch=3,length=4,n=5", "--outputs", folder / "out.npz"], check=True)
    with np.load(folder / "out.npz") as out:
        return {name: out[name] for name in out.files}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A model with a constant that lies in the side file, and what it computes."""
    folder = tmp_path_factory.mktemp("large")
    w = numpy_helper.from_array(np.random.default_rng(0).standard_normal((160, 160)).astype(np.float32), "big weight")
    x, y = (helper.make_tensor_value_info(n, 1, ["n", 160]) for n in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "big weight"], ["a"], name="product"),
                               helper.make_node("Relu", ["a"], ["b"], name="cut"),
                               helper.make_node("Add", ["b", "x"], ["y"], name="skip")], "g", [x], [y], [w])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "model.onnx")
    ssmc(folder / "model.onnx", "-o", folder / "model.so")
    return folder / "model.onnx", results(folder / "model.so", folder)


def test_help():
    text = ssmc("--help").stdout
    for group in ("Output", "Phases", "Code", "Reports"):
        assert f"\n{group}:" in text or f"\n{group}\n" in text or group in text
    assert "--compile-to=<PHASE>" in text and "-o <OUT>" in text and PHASES[0] == "import" and PHASES[-1] == "link"


@pytest.mark.parametrize("arguments, message", [
    (["-o", "a.so"], "Not enough positional command line arguments"),
    (["m.onnx"], "must be specified"),
    (["m.onnx", "-o", "a.so", "--frobnicate"], "Unknown command line argument '--frobnicate'"),
    (["m.onnx", "-o", "a.so", "--emit=exe"], "unknown --emit=exe; known: obj, onnx,"),
    (["m.onnx", "-o", "a.so", "-O7"], "unknown optimisation level -O7"),
    (["m.onnx", "-o", "a.so", "--target=quantum"], "unknown --target=quantum; known: cpu"),
    (["m.onnx", "-o", "a.so", "--compile-to=nowhere"], "unknown phase 'nowhere'; phases: import, fold"),
    (["m.onnx", "-o", "a.so", "--compile-from=link"], "leaves no IR"),
    (["m.onnx", "-o", "a.so", "--threads=-1"], "is not between"),
    (["m.onnx", "-o", "a.so", "--remarks=("], "--remarks=("),
    (["m.onnx", "-o", "a.so", "--emit=obj", "--compile-to=fold"], "exclude each other"),
    (["m.onnx", "-o", "a.so"], "m.onnx: cannot be read"),
])
def test_wrong_flags(arguments, message):
    assert message in ssmc(*arguments, code=1).stderr


@pytest.mark.parametrize("suffix", ["mlir", "mlirbc"])
@pytest.mark.parametrize("phase", PHASES[:-2])
def test_compile_to_and_from(large, tmp_path, phase, suffix):
    model, want = large
    middle = tmp_path / f"middle.{suffix}"
    ssmc(model, "-o", middle, f"--compile-to={phase}")
    assert b"dialect_resources" not in middle.read_bytes()
    assert middle.stat().st_size < 200000  # as text the weights would be twice 102,400 bytes
    assert (tmp_path / "middle.safetensors").stat().st_size > 102400
    ssmc(middle, "-o", tmp_path / "model.so", f"--compile-from={phase}")
    got = results(tmp_path / "model.so", tmp_path)
    np.testing.assert_array_equal(got["y"], want["y"])


def test_weights_beside_ir(large, tmp_path):
    ssmc(large[0], "-o", tmp_path / "m.mlir", "--compile-to=fold")
    (tmp_path / "m.safetensors").unlink()
    assert "m.safetensors: cannot be read" in ssmc(tmp_path / "m.mlir", "-o", tmp_path / "m.so", "--compile-from=fold", code=1).stderr
    (tmp_path / "m.safetensors").write_text("text")
    assert "is not a safetensors file" in ssmc(tmp_path / "m.mlir", "-o", tmp_path / "m.so", "--compile-from=fold", code=1).stderr
    ssmc(large[0], "-o", tmp_path / "z.mlir", "--compile-to=fold", "--no-weights")
    assert not (tmp_path / "z.safetensors").exists()
    ssmc(tmp_path / "z.mlir", "-o", tmp_path / "z.so", "--compile-from=fold")
    with_zeros = results(tmp_path / "z.so", tmp_path)["y"]
    assert with_zeros.shape == large[1]["y"].shape and not np.array_equal(with_zeros, large[1]["y"])


def test_compile_from_nonsense(tmp_path):
    (tmp_path / "m.mlir").write_text("this is no IR")
    assert "m.mlir:1:1" in ssmc(tmp_path / "m.mlir", "-o", tmp_path / "m.so", "--compile-from=fold", code=1).stderr


@pytest.mark.parametrize("emit, content", [("onnx", "onnx.MatMul"), ("linalg", "linalg."), ("llvm", "llvm.func")])
def test_emit(large, tmp_path, emit, content):
    ssmc(large[0], "-o", tmp_path / "out.mlir", f"--emit={emit}")
    assert content in (tmp_path / "out.mlir").read_text()


def test_emit_object(large, tmp_path):
    ssmc(large[0], "-o", tmp_path / "model.o", "--emit=obj")
    symbols = subprocess.run(["nm", tmp_path / "model.o"], capture_output=True, text=True, check=True).stdout
    assert "T ssm_generated_main" in symbols and (tmp_path / "model.safetensors").exists()


def test_processors(large, tmp_path):
    text = ssmc(large[0], "-o", tmp_path / "m.so", "--mcpu=abacus").stderr
    assert text == f"warning: {os.path.basename(large[0])}: unknown processor 'abacus'; compiling for any x86_64\n", text
    for cpu in ("x86-64", "native"):
        assert ssmc(large[0], "-o", tmp_path / "m.so", f"--mcpu={cpu}").stderr == ""
        np.testing.assert_allclose(results(tmp_path / "m.so", tmp_path)["y"], large[1]["y"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("level", range(4))
def test_levels(large, tmp_path, level):
    ssmc(large[0], "-o", tmp_path / "model.so", f"-O{level}", "--threads=2")
    np.testing.assert_allclose(results(tmp_path / "model.so", tmp_path)["y"], large[1]["y"], rtol=1e-4, atol=1e-4)


def test_report_and_dumps(large, tmp_path):
    ssmc(large[0], "-o", tmp_path / "m.so", f"--report={tmp_path}/r.json", f"--dump-phases-to={tmp_path}/deep/dumps")
    report = json.loads((tmp_path / "r.json").read_text())
    assert set(report) == {"raised", "missed", "unsupported", "phases", "memory"}
    assert [p["name"] for p in report["phases"]] == PHASES and all(p["seconds"] >= 0 for p in report["phases"])
    assert report["memory"]["constants"] == 102400 and "arena" in report["memory"]
    dumps = sorted(os.listdir(tmp_path / "deep/dumps"))
    assert [d.split("-")[1] for d in dumps] == [p + ".mlir" for p in PHASES[:-2]]
    assert all("dialect_resources" not in (tmp_path / "deep/dumps" / d).read_text() for d in dumps)


def test_report_of_forms(tmp_path):
    """Each raised operation says its form, what each of its forms costs, and whether the cheapest was taken."""
    tensors = [helper.make_tensor_value_info(n, 1, [1, 2, 512, 16]) for n in "qkvy"]
    graph = helper.make_graph([helper.make_node("Attention", ["q", "k", "v"], ["y"])], "g", tensors[:3], tensors[3:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11), tmp_path / "m.onnx")
    for asked, form, why in ((), "online", "the cheapest"), (("--form=attention:materialised",), "materialised", "asked for"):
        ssmc(tmp_path / "m.onnx", "-o", tmp_path / "m.so", f"--report={tmp_path}/r.json", *asked)
        entry, = json.loads((tmp_path / "r.json").read_text())["raised"]
        assert (entry["kind"], entry["form"], entry["why"], entry["chunk"]) == ("attention", form, why, 0)
        assert entry["costs"]["online"] < entry["costs"]["materialised"] and len(entry["costs"]) == 2


def test_report_of_a_refusal(tmp_path):
    """A node that import takes and a later phase refuses is reported with its operator too."""
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"], name="bad axis", axis=5)], "g",
                              [helper.make_tensor_value_info("x", 1, ["n", 4])], [helper.make_tensor_value_info("y", 1, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "m.onnx")
    done = ssmc(tmp_path / "m.onnx", "-o", tmp_path / "m.so", f"--report={tmp_path}/r.json", code=1)
    assert "1 of 1 nodes are not supported" in done.stderr and "'bad axis' (ai.onnx Softmax-13)" in done.stderr
    entry = json.loads((tmp_path / "r.json").read_text())["unsupported"][0]
    assert entry["node"] == "bad axis" and entry["operator"] == "Softmax" and entry["opset"] == 13 and entry["reason"]
    assert "cannot write" in ssmc(tmp_path / "m.onnx", "-o", tmp_path / "m.so", "--report=/nowhere/r.json", code=1).stderr


def test_remarks(large, tmp_path):
    text = ssmc(large[0], "-o", tmp_path / "m.so", "--remarks").stderr
    assert re.search(r"remark: node '\w+': group: ", text), text
    assert text == ssmc(large[0], "-o", tmp_path / "m.so", "--remarks=group").stderr
    assert ssmc(large[0], "-o", tmp_path / "m.so", "--remarks=nothing").stderr == ""


def test_internal_error_leaves_a_reproducer(large, tmp_path):
    """IR that no phase of ours leaves: the phase that meets it fails, and that is our mistake."""
    ssmc(large[0], "-o", tmp_path / "m.mlir", "--compile-to=lower", "--no-weights")
    text = (tmp_path / "m.mlir").read_text()
    broken = re.sub(r"^( *)(return loc|return$)", r'\1"ssm.bind_expr"() {kind = "max", map = affine_map<() -> (1)>, symbol = 0} : () -> ()\n\1\2',
                    text, count=1, flags=re.M)
    assert broken != text
    (tmp_path / "m.mlir").write_text(broken)
    done = ssmc(tmp_path / "m.mlir", "-o", tmp_path / "m.so", "--compile-from=lower", f"--report={tmp_path}/r.json", code=2)
    assert "internal error in phase" in done.stderr and "to reproduce: ssmc" in done.stderr
    assert json.loads((tmp_path / "r.json").read_text())["phases"]
    assert sorted(p.name for p in tmp_path.iterdir() if "reproducer" not in p.name) == ["m.mlir", "r.json"]
    command = re.search(r"to reproduce: ssmc (.*)", done.stderr)[1].split()
    assert "internal error in phase" in ssmc(*command, code=2).stderr


def test_interruption_leaves_nothing(tmp_path):
    path = tmp_path / "model.onnx"
    sys.path.insert(0, str(ROOT / "test/benchmark"))
    import compile_time
    onnx.save(compile_time.distinct(2000), str(path))
    for wait in (0.3, 0.8):
        process = subprocess.Popen([BIN / "ssmc", path, "-o", tmp_path / "model.so"], stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) != 0
        assert os.listdir(tmp_path) == ["model.onnx"]


def test_both_files_or_none(large, tmp_path):
    (tmp_path / "model.so").mkdir()  # a folder cannot be replaced by a file
    (tmp_path / "model.so" / "x").touch()
    ssmc(large[0], "-o", tmp_path / "model.so", code=1)
    assert os.listdir(tmp_path) == ["model.so"]


def test_library_alone(large, tmp_path):
    """The model file is not needed afterwards, and without its side file the library says what is missing."""
    ssmc(large[0], "-o", tmp_path / "model.so")
    np.testing.assert_array_equal(results(tmp_path / "model.so", tmp_path)["y"], large[1]["y"])
    (tmp_path / "model.safetensors").unlink()
    done = subprocess.run([BIN / "ssm-run", tmp_path / "model.so", "--random"], capture_output=True, text=True)
    assert done.returncode in (1, 2) and "model.safetensors" in done.stderr


def test_five_models(tmp_path):
    for name, make in models.ALL.items():
        (tmp_path / "weights.bin").write_bytes(models.external_data())
        onnx.save(make(), str(tmp_path / f"{name}.onnx")) if name != "external" else (tmp_path / "external.onnx").write_bytes(make().SerializeToString())
        ssmc(tmp_path / f"{name}.onnx", "-o", tmp_path / f"{name}.so")
        assert results(tmp_path / f"{name}.so", tmp_path)
