"""Writes dtypes.json: what the gguf package (0.19.0) makes of values, and of random blocks. Run: python test/golden/dtypes.py"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES
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
    np.r_[0, 15, np.arange(30) / 2],  # ties for q4_1
    np.r_[0, 31, np.arange(30) / 2],  # ties for q5_1
    np.tile([16.0, -16.0, 0.5, -0.5], 8),  # ties for q5_0
    np.tile([3e38, -3e38], 16),  # the range overflows
    np.full(32, 0.1),
    np.full(32, -0.1),
    np.r_[1 + 2.0**-8, 1 + 3 * 2.0**-8, 2.0**-133, 2.0**-134, 3.4e38, -3.4e38, np.zeros(26)],  # ties for bf16
]
values = np.concatenate(blocks).astype(np.float32)

# Where the halves of a block stand.
SCALES = {
    "q8_0": [0],
    "q4_0": [0],
    "q4_1": [0, 2],
    "q5_0": [0],
    "q5_1": [0, 2],
    "iq4_nl": [0],
    "q2_k": [80, 82],
    "q3_k": [108],
    "q4_k": [0, 2],
    "q5_k": [0, 2],
    "q6_k": [208],
}


def text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def random_blocks(name: str) -> np.ndarray:
    """Blocks of random bytes; the first have scales of −0, of the least subnormal and of the greatest half, all are finite."""
    size, length = GGML_QUANT_SIZES[Type[name.upper()]]
    rows = rng.integers(0, 256, (8 if size == 32 else 4, length), dtype=np.uint8)
    for offset in SCALES[name]:
        halves = rows[:, offset : offset + 2].copy().view(np.uint16)
        halves[(halves & 0x7C00) == 0x7C00] ^= 0x4000
        halves[:3, 0] = [0x8000, 0x8001, 0x7BFF]
        rows[:, offset : offset + 2] = halves.view(np.uint8)
    return rows


golden = {"values": text(values), "encoded": {}, "random": {}}
with np.errstate(all="ignore"):
    for name in ["f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"]:
        golden["encoded"][name] = text(quantize(values, Type[name.upper()]))
    for name in SCALES:
        rows = random_blocks(name)
        decoded = dequantize(rows, Type[name.upper()]).astype(np.float32)
        golden["random"][name] = {"bytes": text(rows), "decoded": text(decoded)}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
