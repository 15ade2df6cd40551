"""Logits of llama.cpp for given tokens: llama_logits.py MODEL OUT TOKEN … writes f32 (tokens, vocabulary) to OUT."""

import sys

from llama_cpp import Llama

model, out, *tokens = sys.argv[1:]
ids = [int(token) for token in tokens]
llama = Llama(model, n_ctx=len(ids) + 8, n_batch=len(ids), logits_all=True, verbose=False, n_threads=2)
llama.eval(ids)
llama.scores[: len(ids)].astype("<f4").tofile(out)
