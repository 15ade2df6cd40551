"""Writes k_quants.json: the errors of ggml's own encoders (llama-cpp-python 0.3.36) on two kinds of values. Run: python test/golden/k_quants.py"""

import ctypes
import json
from pathlib import Path

import llama_cpp
import numpy as np
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize

ROWS, COLUMNS = 64, 256


def bell(count: int) -> np.ndarray:
    """Sums of twelve uniform numbers less 6, of a congruential generator (Numerical Recipes' ranqd1): as good as normal, and easy to repeat."""
    state, sums = 1, np.zeros(count)
    for i in range(count):
        for _ in range(12):
            state = (1664525 * state + 1013904223) % 2**32
            sums[i] += state / 2**32
        sums[i] -= 6
    return sums


def ggml_encode(values: np.ndarray, name: str) -> np.ndarray:
    base = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    encode = base.ggml_quantize_chunk
    encode.restype = ctypes.c_size_t
    encode.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    size, length = GGML_QUANT_SIZES[Type[name]]
    rows, columns = values.shape
    out = np.zeros((rows, columns // size * length), dtype=np.uint8)
    assert encode(Type[name], values.ctypes.data, out.ctypes.data, 0, rows, columns, None) == out.size
    return out


def relative_error(values: np.ndarray, name: str) -> float:
    decoded = dequantize(ggml_encode(values, name), Type[name]).astype(np.float64)
    return float(np.sqrt(((decoded - values) ** 2).sum() / (values.astype(np.float64) ** 2).sum()))


if __name__ == "__main__":
    normal = bell(ROWS * COLUMNS)
    kinds = {"normal": normal, "cubed": normal**3}  # the second has outliers
    golden = {
        kind: {name.lower(): relative_error(values.astype(np.float32).reshape(ROWS, COLUMNS), name) for name in ["Q4_K", "Q5_K", "Q6_K"]}
        for kind, values in kinds.items()
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
