"""Prefill and decode of a GGUF file in llama.cpp, one thread: llama.py FILE PROMPT_TOKENS DECODED_TOKENS → JSON of seconds."""

import json
import sys
import time

from llama_cpp import Llama

path, prompt, decoded = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
llama = Llama(path, n_ctx=prompt + decoded + 8, n_batch=prompt, n_ubatch=prompt, n_threads=1, n_threads_batch=1, verbose=False)
ids = [(7 * i) % 1000 + 100 for i in range(prompt)]
llama.eval(ids)  # warm-up
llama.reset()
start = time.perf_counter()
llama.eval(ids)
middle = time.perf_counter()
for i in range(decoded):
    llama.eval([ids[i % prompt]])
end = time.perf_counter()
print(json.dumps({"prefill": middle - start, "decode": end - middle}))
