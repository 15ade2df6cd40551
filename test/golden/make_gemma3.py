"""A tiny random Gemma 3 and what PyTorch computes with it, forward and backward.

    python -m venv venv && venv/bin/pip install torch transformers peft gguf safetensors
    venv/bin/python test/golden/make_gemma3.py

Writes into test/golden/gemma3 what make_llama.py writes of its models: tiny.gguf, tiny.json and tiny.safetensors. Batches, adapters, losses and
steps are make_llama.py's; only the model is another. Like there it stands below in plain operations, so that it runs in float64 throughout, and
is compared with transformers' Gemma3ForCausalLM and PEFT in float32 before anything is written.

Layers 0 and 2 see a window of 5 keys with a rotary base of their own, layer 1 sees all with positions halved; a head is larger than channels / heads.
Norm weights are what the normalised row is multiplied by: 1 + transformers' weight, as in GGUF files.
"""

import json
import shutil
from pathlib import Path

import gguf
import make_llama as llama
import numpy as np
import torch
import torch.nn.functional as F
from make_llama import EPS, ROLES, SCALES, bank_values, batches, deviation, noise, sizes, tensors
from safetensors.numpy import save_file
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

OUT = Path(__file__).parent / "gemma3"
C = dict(layers=3, channels=24, heads=4, kv_heads=2, head_size=8, feed_forward=40, vocabulary=40, tied=True)
WINDOW = 5
PATTERN = 2  # every second layer sees all keys
BASE, BASE_LOCAL, SCALING = 500.0, 50.0, 2.0
LAYER_NORMS = {
    "input_layernorm": ("attn_norm", "channels"),
    "self_attn.q_norm": ("attn_q_norm", "head_size"),
    "self_attn.k_norm": ("attn_k_norm", "head_size"),
    "post_attention_layernorm": ("post_attention_norm", "channels"),
    "pre_feedforward_layernorm": ("ffn_norm", "channels"),
    "post_feedforward_layernorm": ("post_ffw_norm", "channels"),
}


def windowed(layer: int) -> bool:
    return layer % PATTERN < PATTERN - 1


def random_weights(c: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def matrix(out, into):
        return (rng.standard_normal((out, into)) * 1.5 / np.sqrt(into)).astype(np.float32)

    def norm(size):
        return rng.uniform(0.5, 1.5, c[size]).astype(np.float32)

    weights = {"model.embed_tokens.weight": matrix(c["vocabulary"], c["channels"])}
    for layer in range(c["layers"]):
        prefix = f"model.layers.{layer}."
        for name, (_, size) in LAYER_NORMS.items():
            weights[prefix + name + ".weight"] = norm(size)
        for role, name in ROLES.items():
            weights[prefix + name + ".weight"] = matrix(*sizes(c)[role])
    weights["model.norm.weight"] = norm("channels")
    return weights


def forward(c: dict, w: dict, tokens: list[int], bank: dict | None = None, adapter: int | None = None) -> torch.Tensor:
    """Logits (T, V) of one sequence."""
    dtype = w["model.norm.weight"].dtype
    heads, kv_heads, d, T = c["heads"], c["kv_heads"], c["head_size"], len(tokens)

    def norm(x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * w[name + ".weight"]

    def turn(x, base, scaling):
        position = torch.arange(T, dtype=torch.float64)[:, None] / scaling
        angle = position * base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
        cos, sin = (torch.cat([f(angle)] * 2, -1).to(dtype)[:, None] for f in (torch.cos, torch.sin))
        return x * cos + torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1) * sin

    def project(x, layer, role):
        y = x @ w[f"model.layers.{layer}.{ROLES[role]}.weight"].T
        a, b = ((bank or {}).get(f"adapter.{layer}.{role}.{half}") for half in "ab")
        return y if a is None or adapter is None else y + SCALES[adapter] * (x @ a[adapter].T @ b[adapter].T)

    causal = torch.ones(T, T, dtype=torch.bool).tril()
    x = w["model.embed_tokens.weight"][tokens] * c["channels"] ** 0.5
    for layer in range(c["layers"]):
        prefix = f"model.layers.{layer}."
        rotation = (BASE_LOCAL, 1.0) if windowed(layer) else (BASE, SCALING)
        h = norm(x, prefix + "input_layernorm")
        q = turn(norm(project(h, layer, "q").view(T, heads, d), prefix + "self_attn.q_norm"), *rotation)
        k = turn(norm(project(h, layer, "k").view(T, kv_heads, d), prefix + "self_attn.k_norm"), *rotation)
        v = project(h, layer, "v").view(T, kv_heads, d)
        k, v = (z.repeat_interleave(heads // kv_heads, 1) for z in (k, v))
        scores = torch.einsum("thd,shd->hts", q, k) / d**0.5
        visible = causal & causal.tril(-WINDOW).logical_not() if windowed(layer) else causal
        p = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        y = project(torch.einsum("hts,shd->thd", p, v).reshape(T, heads * d), layer, "o")
        x = x + norm(y, prefix + "post_attention_layernorm")
        h = norm(x, prefix + "pre_feedforward_layernorm")
        y = project(F.gelu(project(h, layer, "gate"), approximate="tanh") * project(h, layer, "up"), layer, "down")
        x = x + norm(y, prefix + "post_feedforward_layernorm")
    return norm(x, "model.norm") @ w["model.embed_tokens.weight"].T


def transformers_model(c: dict, weights: dict[str, np.ndarray]) -> Gemma3ForCausalLM:
    config = Gemma3TextConfig(
        vocab_size=c["vocabulary"], hidden_size=c["channels"], intermediate_size=c["feed_forward"], num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"], num_key_value_heads=c["kv_heads"], head_dim=c["head_size"], rms_norm_eps=EPS,
        query_pre_attn_scalar=c["head_size"], sliding_window=WINDOW, pad_token_id=None, attn_implementation="eager",
        layer_types=["sliding_attention" if windowed(layer) else "full_attention" for layer in range(c["layers"])],
        rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=SCALING, rope_theta=BASE),
            sliding_attention=dict(rope_type="default", rope_theta=BASE_LOCAL),
        ),
    )  # fmt: skip
    model = Gemma3ForCausalLM(config).float().eval()
    state = {k: torch.tensor(v) - (1 if v.ndim == 1 else 0) for k, v in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and missing in ([], ["lm_head.weight"])
    model.tie_weights()
    return model


def check_transformers(c: dict, weights: dict[str, np.ndarray]) -> None:
    """The plain model equals transformers', and its adapters PEFT's, logits and gradients."""
    model = transformers_model(c, weights)
    row = batches(c, 0)[1][1]
    tokens = torch.tensor([row["tokens"]])
    assert len(row["tokens"]) > 2 * WINDOW
    w = tensors(weights, torch.float32, True)
    ours, theirs = forward(c, w, row["tokens"]), model(tokens).logits[0]
    assert deviation(ours, theirs) < 1e-5
    projection = torch.tensor(noise(3, theirs.numel()), dtype=torch.float32).view_as(theirs)
    for logits in (ours, theirs):
        (logits * projection).sum().backward()
    for name, parameter in model.named_parameters():
        assert deviation(w[name].grad, parameter.grad) < 2e-5, name
    bank = tensors(bank_values(c, "all"), torch.float32, False)
    peft = llama.peft_model(c, model, bank_values(c, "all"), row["adapter"], "all")
    assert deviation(forward(c, w, row["tokens"], bank, row["adapter"]), peft(tokens).logits[0]) < 1e-5


def write_gguf(path: Path, c: dict, weights: dict[str, np.ndarray]) -> None:
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_vocab_size(c["vocabulary"])
    writer.add_context_length(64)
    writer.add_embedding_length(c["channels"])
    writer.add_block_count(c["layers"])
    writer.add_feed_forward_length(c["feed_forward"])
    writer.add_head_count(c["heads"])
    writer.add_head_count_kv(c["kv_heads"])
    writer.add_key_length(c["head_size"])
    writer.add_value_length(c["head_size"])
    writer.add_layer_norm_rms_eps(EPS)
    writer.add_sliding_window(WINDOW)
    writer.add_uint32("gemma3.attention.sliding_window_pattern", PATTERN)
    writer.add_rope_freq_base(BASE)
    writer.add_float32("gemma3.rope.freq_base_swa", BASE_LOCAL)
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(SCALING)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, c["layers"])
    for name, value in weights.items():
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    llama.forward = forward  # what losses, gradients and steps are of
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    weights = random_weights(C, np.random.default_rng(3))
    check_transformers(C, weights)
    write_gguf(OUT / "tiny.gguf", C, weights)
    facts, arrays = llama.golden_runs(C, weights)
    save_file(arrays, OUT / "tiny.safetensors")
    (OUT / "tiny.safetensors").chmod(0o644)
    (OUT / "tiny.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
