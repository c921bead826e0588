"""Compile ONNX models to native libraries and run them.

    import ssm_mlir
    module = ssm_mlir.compile("model.onnx", output="model.so")
    module = ssm_mlir.load("model.so")
    result = module(x=array)["y"]

Neither the import nor load() loads LLVM: compile() runs the program ssmc.
"""
from ._compile import compile
from ._error import Error
from ._module import Module, ValueInfo, load

__all__ = ["Error", "Module", "ValueInfo", "compile", "load"]
__version__ = "0.1.0"
