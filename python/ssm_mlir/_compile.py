"""Compilation, in a process of its own: a failure of LLVM does not take Python with it."""
import os
import pathlib
import subprocess
import tempfile

from ._error import Error
from ._module import load
from ._programs import find


def _flags(options):
    """Options of ssmc with underscores: threads=4, mcpu="native", O=3, remarks=True, form=["scan:blocked"]."""
    flags = []
    for name, value in options.items():
        flag = f"-{name}" if len(name) == 1 else "--" + name.replace("_", "-")
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is True:
                flags.append(flag)
            elif item is not False and item is not None:
                flags.append(f"{flag}{item}" if len(name) == 1 else f"{flag}={os.fspath(item) if isinstance(item, os.PathLike) else item}")
    return flags


def compile(model, output=None, **options):
    """Compiles a model and loads the library.

    model: path of an ONNX file, its bytes, or a ModelProto. output: where the library is kept (its constants lie beside
    it); without it they last as long as the module. options: the flags of ssmc, with underscores.
    """
    with tempfile.TemporaryDirectory(prefix="ssm-mlir-") as scratch:
        if isinstance(model, (str, os.PathLike)):
            path = os.fspath(model)
        else:
            content = model if isinstance(model, (bytes, bytearray, memoryview)) else model.SerializeToString()
            path = os.path.join(scratch, "model.onnx")
            pathlib.Path(path).write_bytes(content)
        library = os.path.join(scratch, "model.so") if output is None else os.fspath(output)
        done = subprocess.run([find("ssmc"), path, "-o", library, *_flags(options)], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, errors="replace")
        if done.returncode:
            message = done.stderr.strip() or f"ssmc ended with status {done.returncode}"
            raise Error(message, done.returncode if done.returncode in (1, 2) else 2)
        if options.get("emit", "lib") != "lib":
            return None
        if done.stderr and options.get("remarks"):
            print(done.stderr, end="")
        return load(library)
