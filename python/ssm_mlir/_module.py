"""Compiled libraries as Python objects."""
import json
import os
import tempfile
import typing

import numpy as np

from . import _runtime
from ._dtypes import NAMELESS, NUMPY, from_carrier, to_carrier
from ._error import Error

_SEQUENCE = 2


class ValueInfo(typing.NamedTuple):
    """What the model says of an input or output."""
    name: str
    dtype: typing.Optional[np.dtype]      # of the elements, for a sequence; None when it is not known
    dims: tuple                           # sizes: a number, the name of a symbol, or None; empty for a sequence
    optional: bool = False
    sequence: bool = False


def _infos(rows):
    return tuple(ValueInfo(name, NUMPY.get(dtype), dims, optional, kind == _SEQUENCE)
                 for name, kind, optional, dtype, dims in rows)


class Module:
    """A compiled model. Calls from several threads at once are safe."""

    def __init__(self, library):
        self._library = library
        self.inputs = _infos(library.inputs)
        self.outputs = _infos(library.outputs)
        self._names = frozenset(info.name for info in self.inputs)
        # Most arrays need nothing done to them: those whose dtype is this one.
        self._given = [(info, None if info.sequence or info.dtype in NAMELESS else info.dtype) for info in self.inputs]
        self._carried = any(info.dtype is None or info.dtype in NAMELESS for info in self.outputs)

    def __call__(self, /, **inputs):
        return self.run(inputs)

    def run(self, inputs, dlpack=False):
        """Outputs by name, from a mapping of inputs by name or a sequence in the model's order. With dlpack the outputs
        are objects with __dlpack__ instead of NumPy arrays."""
        if not hasattr(inputs, "keys"):
            if len(inputs) > len(self.inputs):
                raise Error(f"the model has {len(self.inputs)} inputs, {len(inputs)} were given")
            inputs = {info.name: value for info, value in zip(self.inputs, inputs)}
        elif not self._names.issuperset(inputs):
            unknown = next(name for name in inputs if name not in self._names)
            raise Error(f"the model has no input '{unknown}'; its inputs are " + ", ".join(i.name for i in self.inputs))
        values = []
        for info, plain in self._given:
            value = inputs.get(info.name)
            ready = plain is not None and type(value) is np.ndarray and value.dtype == plain
            values.append(value if ready else _given(info, value))
        results = self._library.run(values, dlpack)
        if not dlpack and self._carried:
            results = [from_carrier(result) for result in results]
        return {info.name: result for info, result in zip(self.outputs, results)}

    @property
    def step(self):
        """The decode step of a model whose library has one."""
        raise Error("the library has no decode step")

    @property
    def metadata(self):
        """What the compiler left in the library."""
        return json.loads(self._library.metadata)

    @property
    def peak_bytes(self):
        """Bytes of the buffers that the largest call used."""
        return self._library.peak_bytes

    def set_threads(self, threads):
        """Threads of parallel loops; None or 0: all."""
        self._library.set_threads(threads or 0)

    def profile(self, inputs, runs=10):
        """Seconds per run by source node, slowest first."""
        self.run(inputs)
        self._library.set_profile(True)
        for _ in range(runs):
            self.run(inputs)
        rows = self._library.profile()
        self._library.set_profile(False)
        names = self.metadata.get("profile", [])
        seconds = {(names[i] if i < len(names) else str(i)): s / runs for i, (s, calls) in enumerate(rows) if calls}
        return dict(sorted(seconds.items(), key=lambda row: -row[1]))

    def __repr__(self):
        def show(info):
            return f"{info.name}: " + (f"sequence of {info.dtype}" if info.sequence else f"{info.dtype}{list(info.dims)}")
        return f"<ssm_mlir.Module ({', '.join(map(show, self.inputs))}) -> ({', '.join(map(show, self.outputs))})>"


def _given(info, value):
    """What the runtime takes: None, a list for a sequence, an array, or a carrier."""
    if value is None:
        return None
    if info.sequence:
        if isinstance(value, np.ndarray) or not isinstance(value, (list, tuple)):
            raise Error(f"input '{info.name}': got a {type(value).__name__}, expected a list of arrays")
        return [_array(info, element) for element in value]
    return _array(info, value)


def _array(info, value):
    if isinstance(value, np.ndarray):
        return _plain(info, value)
    if hasattr(value, "__dlpack__"):
        return value
    try:
        return _plain(info, np.asarray(value, None if isinstance(value, np.generic) else info.dtype))
    except (TypeError, ValueError) as error:
        raise Error(f"input '{info.name}': {error}") from None


def _plain(info, array):
    """In the machine's byte order, or as a carrier."""
    if array.dtype.kind in "OSUMm":
        raise Error(f"input '{info.name}': element type is {array.dtype}, expected {info.dtype}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return to_carrier(array)


_loaded = {}      # path -> identity of the file that dlopen has under that name


def load(path, threads=None):
    """Opens a library that ssmc wrote."""
    path = os.path.abspath(os.fspath(path))
    try:
        status = os.stat(path)
    except OSError as error:
        raise Error(f"cannot load the library '{path}': {error.strerror}") from None
    side = os.path.splitext(path)[0] + ".safetensors"
    side = side if os.path.exists(side) else None
    identity = (status.st_dev, status.st_ino, status.st_mtime_ns)
    if _loaded.setdefault(path, identity) == identity:
        library = _runtime.Library(path, side)
    else:
        # dlopen goes by the name: a file written anew under a loaded one's name needs another name.
        with tempfile.TemporaryDirectory() as scratch:
            alias = os.path.join(scratch, os.path.basename(path))
            os.symlink(path, alias)
            library = _runtime.Library(alias, side)
    module = Module(library)
    if threads is not None:
        module.set_threads(threads)
    return module
