"""What other programs make of the real models: transformers (float32, on the dequantized weights) and llama.cpp (the file as it is).

Writes real_<model>.json.gz beside this file, for every model that is in the cache; WikiText-2's text itself is not in them, only
likelihoods, logits at some places, and a digest of the token ids. Run by `npm run oracle`; needs torch, transformers, gguf,
llama-cpp-python and the WikiText-2 test file:  python test/golden/real_models.py wikitext-2-test.txt [model …]
"""

import base64
import gzip
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np

WINDOW = 256
WINDOWS = 8
GREEDY = 64
# Places whose logits are kept: every 8th row of every window; of these every 16th against the exact side.
STRIDE = 8
TOP = 64

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("EDGEWISE_MODELS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgewise" / "models")

CHAT = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
MODELS = {
    "smollm2": {
        "file": "SmolLM2-135M-Instruct.Q4_1.gguf",
        "bos": False,
        "prompts": [CHAT.format(text) for text in (
            "What is the capital of France?",
            "Write three short sentences about a lighthouse.",
            "Explain what a prime number is to a child.",
            "List four colours and one thing that has each colour.",
            "Why does bread rise?",
            "Give me a short plan for a walk in the mountains.",
        )] + ["The three most common causes of a slow computer are", "def fibonacci(n):\n"],
    },
    "gemma3": {
        "file": "gemma-3-270m-q4_k_m.gguf",
        "bos": True,
        "prompts": [
            "The capital of France is",
            "Once upon a time, in a village by the sea,",
            "A prime number is a number that",
            "The three most common causes of a slow computer are",
            "def fibonacci(n):\n",
            "Water boils at a temperature of",
            "In the year 1969, the first",
            "To bake a simple loaf of bread, you need",
        ],
    },
}


def packed(array, kind):
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()


def log_softmax(logits):
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def windows_of(llama, text, bos):
    """Windows of 256 tokens; with a BOS of their own where the model wants one."""
    ids = llama.tokenize(text.encode(), add_bos=False, special=False)
    new = WINDOW - bos
    first = [llama.token_bos()] if bos else []
    return np.array([first + ids[i * new : (i + 1) * new] for i in range(WINDOWS)], dtype=np.uint32)


def llama_logits(llama, ids):
    llama.reset()
    llama.eval([int(token) for token in ids])
    return llama.scores[: len(ids)].copy()


def greedy(llama, prompt, bos):
    """Tokens, and by how much each beat the second."""
    prompt = llama.tokenize(prompt.encode(), add_bos=bos, special=True)
    llama.reset()
    llama.eval(prompt)
    tokens, margins = [], []
    for _ in range(GREEDY):
        scores = llama.scores[llama.n_tokens - 1]
        second, first = np.sort(scores)[-2:]
        tokens.append(int(scores.argmax()))
        margins.append(round(float(first - second), 4))
        if tokens[-1] in ends(llama):
            break
        llama.eval([tokens[-1]])
    return {"prompt": [int(token) for token in prompt], "tokens": tokens, "margins": margins}


def ends(llama):
    return {llama.token_eos()}


def exact_logits(path, windows):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    with torch.no_grad():
        for ids in windows:
            yield model(torch.tensor(ids.astype(np.int64))[None]).logits[0].float().numpy()


def golden(name, text):
    from llama_cpp import Llama

    about = MODELS[name]
    path = CACHE / about["file"]
    if not path.exists():
        print(f"{name}: {path} is absent; npm run models fetches it")
        return
    llama = Llama(str(path), n_ctx=1024, n_batch=512, logits_all=True, verbose=False, n_threads=2)
    windows = windows_of(llama, text, about["bos"])
    rows = np.arange(STRIDE - 1, WINDOW - 1, STRIDE)
    some = rows[1::2]
    out = {
        "model": about["file"],
        "window": WINDOW,
        "tokens_sha256": hashlib.sha256(windows.tobytes()).hexdigest(),
        "rows": rows.tolist(),
        "exact_rows": some.tolist(),
    }
    likelihoods = {"exact": [], "llama": []}
    tops, exact_values, largest = [], [], []
    for index, (ids, exact) in enumerate(zip(windows, exact_logits(path, windows))):
        ours = llama_logits(llama, ids)
        for side, logits in (("exact", exact), ("llama", ours)):
            logp = log_softmax(logits[:-1])
            likelihoods[side].append(-logp[np.arange(WINDOW - 1), ids[1:]])
        logp = log_softmax(ours[rows])
        order = np.argsort(-logp, axis=1)[:, :TOP]
        tops.append((order, np.take_along_axis(logp, order, 1)))
        vocabulary = exact.shape[1]
        columns = np.r_[np.arange(0, vocabulary, vocabulary // 128)[:128]]
        exact_values.append(exact[some][:, columns])
        largest.append(np.abs(exact[some]).max(1))
        out["columns"] = columns.tolist()
        means = {side: float(np.mean(values)) for side, values in likelihoods.items()}
        print(f"{name}: window {index + 1} of {WINDOWS}: {means}", flush=True)
    out["nll_exact"] = packed(np.concatenate(likelihoods["exact"]), "<f4")
    out["nll_llama"] = packed(np.concatenate(likelihoods["llama"]), "<f4")
    out["mean_exact"] = float(np.mean(likelihoods["exact"]))
    out["mean_llama"] = float(np.mean(likelihoods["llama"]))
    out["llama_top_ids"] = packed(np.stack([ids for ids, _ in tops]), "<u4")
    out["llama_top_logp"] = packed(np.stack([logp for _, logp in tops]), "<f4")
    out["exact_logits"] = packed(np.stack(exact_values), "<f4")
    out["exact_largest"] = packed(np.stack(largest), "<f4")
    out["greedy"] = [greedy(llama, prompt, about["bos"]) for prompt in about["prompts"]]
    target = HERE / f"real_{name}.json.gz"
    target.write_bytes(gzip.compress(json.dumps(out).encode(), mtime=0))
    print(f"{name}: exact {out['mean_exact']:.6f}, llama.cpp {out['mean_llama']:.6f} nat a token; {target.stat().st_size} B")


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    for name in sys.argv[2:] or MODELS:
        golden(name, text)
