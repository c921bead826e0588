"""Operands over named iteration dims, in any layout: their types, index maps, data, and what they are over all dims."""
import random

import numpy as np

from dispatch import NP, tensor


class Space:
    """dims: name -> size, a number or a symbol 's0'; their order is that of the iteration dims."""

    def __init__(self, dims, seed=0):
        self.dims, self.random = dims, random.Random(seed)
        self.names = list(dims)

    def layout(self, axes):
        """A random order of axes such as 'b', 'h/4' (shared by 4), '1' (broadcast)."""
        axes = list(axes)
        self.random.shuffle(axes)
        return axes

    def size(self, axis, values=None):
        if axis == "1":
            return 1
        name, _, divisor = axis.partition("/")
        size = self.dims[name]
        if isinstance(size, str):
            return size if values is None else values[int(size[1:])]
        return -(-size // int(divisor or 1))

    def map(self, axes):
        def expr(axis):
            if axis == "1":
                return "0"
            name, _, divisor = axis.partition("/")
            return f"{name} floordiv {divisor}" if divisor else name
        return f"affine_map<({', '.join(self.names)}) -> ({', '.join(expr(a) for a in axes)})>"

    def type(self, element, axes):
        return element, [self.size(a) for a in axes]

    def text(self, element, axes):
        return tensor(*self.type(element, axes))

    def shape(self, axes, values):
        return [self.size(a, values) for a in axes]

    def expand(self, array, axes, over, values):
        """The array over these dims, in float64 (or as it is for bools and integers)."""
        array = np.asarray(array)
        if array.dtype.kind not in "biu":
            array = array.astype(np.float64)
        names = []
        for i, axis in enumerate(axes):
            name, _, divisor = axis.partition("/")
            if divisor:
                array = np.repeat(array, int(divisor), axis=i)
                array = array[tuple(slice(None) if j != i else slice(self.size(name, values)) for j in range(array.ndim))]
            names.append(name)
        for i in reversed([i for i, n in enumerate(names) if n == "1"]):
            array = array.squeeze(i)
            names.pop(i)
        present = [d for d in over if d in names]
        array = array.transpose([names.index(d) for d in present])
        index = tuple(slice(None) if d in names else None for d in over)
        return np.broadcast_to(array[index], [self.size(d, values) for d in over])

    def contract(self, array, axes, over, values):
        """Puts a result over the dims `over` into the layout of `axes` (plain dims)."""
        return array.reshape([self.size(d, values) for d in over]).transpose([over.index(a) for a in axes])


TOLERANCE = {"f32": 2e-5, "f64": 1e-11, "f16": 4e-3, "bf16": 3e-2}


def assert_close(got, expected, element, length=1):
    got, expected = got.astype(np.float64), np.asarray(expected, np.float64)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    if not finite.any():
        return
    scale = max(1e-3, np.abs(expected[finite]).max())
    error = np.abs(got - expected)[finite].max() / scale
    assert error <= TOLERANCE[element] * max(1, length / 256) ** 0.5, error


def data(rng, element, shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(NP[element])
