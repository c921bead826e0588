"""Element types: ONNX numbers and NumPy dtypes."""
import ml_dtypes
import numpy as np

from ._error import Error

_NAMED = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
          10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64, 14: np.complex64, 15: np.complex128,
          16: ml_dtypes.bfloat16, 17: ml_dtypes.float8_e4m3fn, 18: ml_dtypes.float8_e4m3fnuz, 19: ml_dtypes.float8_e5m2,
          20: ml_dtypes.float8_e5m2fnuz, 21: ml_dtypes.uint4, 22: ml_dtypes.int4, 23: "float4_e2m1fn",
          24: "float8_e8m0fnu", 25: ml_dtypes.uint2, 26: ml_dtypes.int2}
# Older ml_dtypes lack the newest types.
_NAMED = {number: getattr(ml_dtypes, t, None) if isinstance(t, str) else t for number, t in _NAMED.items()}

NUMPY = {number: np.dtype(t) for number, t in _NAMED.items() if t is not None}
# Those that neither NumPy nor DLPack between arrays can name; they travel as bytes.
NAMELESS = {dtype: number for number, dtype in NUMPY.items() if number >= 16}
# A byte an element, the value sign- or zero-extended.
_SMALL = {21: np.uint8, 22: np.int8, 25: np.uint8, 26: np.int8}


def to_carrier(array):
    """An array of a nameless type as (array of plain integers, ONNX number); any other array as it is."""
    number = NAMELESS.get(array.dtype)
    if number is None:
        return array
    if number in _SMALL:
        return array.astype(_SMALL[number]), number
    return np.ascontiguousarray(array).view(np.uint16 if array.dtype.itemsize == 2 else np.uint8), number


def from_carrier(result):
    """The reverse, for what the runtime gives back."""
    if isinstance(result, list):
        return [from_carrier(element) for element in result]
    if not isinstance(result, tuple):
        return result
    carrier, number = result
    if number not in NUMPY:
        raise Error(f"the installed ml_dtypes has no type for ONNX element type {number}")
    return carrier.view(_SMALL[number]).astype(NUMPY[number]) if number in _SMALL else carrier.view(NUMPY[number])
