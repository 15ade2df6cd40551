"""Writes dtypes.json: blocks of values and what the gguf package (0.19.0) makes of them. Run: python test/golden/dtypes.py"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

rng = np.random.default_rng(20)
blocks = [
    rng.standard_normal(32),
    rng.standard_normal(32) * 1e-3,
    np.zeros(32),
    np.full(32, -0.0),
    np.arange(32) - 16,
    np.arange(32) / 2 - 7.75,  # ties for q4_0 and q8_0
    np.tile([8.0, -8.0], 16),  # equal magnitudes: the first one decides the sign of q4_0's scale
    np.tile([-127.0, 63.5, 0.5, -0.5], 8),
    rng.standard_normal(32) * 1e-6,  # the scale is a subnormal half
    rng.standard_normal(32) * 1e-9,  # the scale is 0 as a half
    rng.standard_normal(32) * 1e-40,  # subnormal values
    rng.standard_normal(32) * 6e4,  # some overflow as halves
    np.r_[rng.uniform(-1, 1, 31), 100.0],
    np.r_[2.0**-24, 2.0**-25, 1.5 * 2.0**-25, 65504, 65519, 65520, 1 + 2.0**-11, 1 + 3 * 2.0**-11, np.zeros(24)],
    *rng.standard_normal((16, 32)),
]
values = np.concatenate(blocks).astype(np.float32)


def text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


golden = {"values": text(values)}
with np.errstate(all="ignore"):
    for name, kind in {"f16": Type.F16, "q8_0": Type.Q8_0, "q4_0": Type.Q4_0}.items():
        encoded = quantize(values, kind)
        golden[name] = {"encoded": text(encoded), "decoded": text(dequantize(encoded, kind).astype(np.float32))}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
