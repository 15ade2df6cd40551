"""The gguf package on stdin's work: a line of JSON [[type, "encode" | "decode", bytes], …], then those bytes; answers with the bytes that come of it."""

import json
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

work = json.loads(sys.stdin.buffer.readline())
with np.errstate(all="ignore"):
    for name, direction, count in work:
        data = np.frombuffer(sys.stdin.buffer.read(count), dtype=np.uint8)
        kind = Type[name]
        made = quantize(data.view(np.float32), kind) if direction == "encode" else dequantize(data, kind).astype(np.float32)
        sys.stdout.buffer.write(made.tobytes())
