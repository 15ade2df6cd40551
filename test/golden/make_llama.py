"""Tiny random Llama models and what PyTorch computes with them, forward and backward.

    python -m venv venv && venv/bin/pip install torch transformers peft gguf safetensors
    venv/bin/python test/golden/make_llama.py

Writes into test/golden/llama: NAME.gguf (F32, llama.cpp's row order of q and k), NAME.json (sizes, batches of even and odd steps, losses), NAME.safetensors
(logits; gradients rounded to float32; four random projections
in float64 of each gradient, and of each parameter after ten steps; gradients also over weights that were quantized) and peft/ (an adapter that PEFT saved).

The model below is written in plain operations, so that it runs in float64 throughout: transformers computes its rotary table, norms and
softmax in float32 whatever the model's dtype. `check_transformers` compares it with transformers and PEFT in float32 before anything is written.

A loss is Σ weight·(−log p) / Σ weight over all micro-batches of a step; the gradients are those of Σ weight·(−log p), as they stand before the
division. Norms are clipped to max_norm exactly (torch's clip_grad_norm_ adds 1e-6); matrices decay, vectors do not.
"""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).parent / "llama"
MODELS = {
    "tied": dict(layers=2, channels=32, heads=4, kv_heads=2, head_size=8, feed_forward=32, vocabulary=40, tied=True),
    "untied": dict(layers=2, channels=16, heads=2, kv_heads=1, head_size=8, feed_forward=24, vocabulary=40, tied=False),
}
ROPE_BASE = 500.0
EPS = 2.0**-16
RANK = 4
SCALES = [2.0, 0.5]  # of the two adapters of the bank
ROLES = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
BANKS = {"qv": ["q", "v"], "all": list(ROLES)}
ADAMW = dict(beta1=0.9, beta2=0.95, eps=1e-8, weightDecay=0.1, maxNorm=1.0)
SCHEDULE = dict(learningRate=0.01, type="cosine", warmupSteps=3, maxSteps=12)
STEPS = 10


def noise(seed: int, count: int) -> np.ndarray:
    """Values in (−1, 1) that the tests make again: `noise` of test/cases.ts."""
    i = np.arange(1, count + 1, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    x = ((i * np.uint64(0x9E3779B1)) & mask) ^ np.uint64(((seed + 1) * 0x85EBCA6B) & 0xFFFFFFFF)
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(0x2C1B3C6D)) & mask
    x = ((x ^ (x >> np.uint64(12))) * np.uint64(0x297A2D39)) & mask
    return (x ^ (x >> np.uint64(15))).astype(np.float64) / 2**31 - 1


def sizes(c: dict) -> dict:
    q, kv, channels, ff = c["heads"] * c["head_size"], c["kv_heads"] * c["head_size"], c["channels"], c["feed_forward"]
    return dict(
        q=(q, channels), k=(kv, channels), v=(kv, channels), o=(channels, q),
        gate=(ff, channels), up=(ff, channels), down=(channels, ff),
    )  # fmt: skip


def random_weights(c: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def matrix(out, into):
        return (rng.standard_normal((out, into)) * 1.5 / np.sqrt(into)).astype(np.float32)

    def norm():
        return rng.uniform(0.5, 1.5, c["channels"]).astype(np.float32)

    weights = {"model.embed_tokens.weight": matrix(c["vocabulary"], c["channels"])}
    for layer in range(c["layers"]):
        prefix = f"model.layers.{layer}."
        weights[prefix + "input_layernorm.weight"] = norm()
        for role, name in ROLES.items():
            weights[prefix + name + ".weight"] = matrix(*sizes(c)[role])
        weights[prefix + "post_attention_layernorm.weight"] = norm()
    weights["model.norm.weight"] = norm()
    if not c["tied"]:
        weights["lm_head.weight"] = matrix(c["vocabulary"], c["channels"])
    return weights


def bank_values(c: dict, bank: str) -> dict[str, np.ndarray]:
    """Both adapters of a bank: (2, rank, in) and (2, out, rank), no half zero, so that every gradient is some."""
    values, seed = {}, 100
    for layer in range(c["layers"]):
        for role in BANKS[bank]:
            out, into = sizes(c)[role]
            for half, shape in (("a", (2, RANK, into)), ("b", (2, out, RANK))):
                values[f"adapter.{layer}.{role}.{half}"] = (0.3 * noise(seed, int(np.prod(shape)))).astype(np.float32).reshape(shape)
                seed += 1
    return values


def batches(c: dict, step: int) -> list[list[dict]]:
    """Two micro-batches of ragged sequences; weights[i] belongs to tokens[i]; odd steps see other tokens than even ones."""
    lengths = [[10, 2, 6], [8, 13]]
    adapters = [[1, 0, None], [0, 1]]
    result, seed = [], 7
    for micro, users in zip(lengths, adapters):
        rows = []
        for length, adapter in zip(micro, users):
            tokens = [int((v + 1) * c["vocabulary"] / 2 + 3 * (step % 2)) % c["vocabulary"] for v in noise(seed, length)]
            weights = [0.0 if i == 0 or (length > 6 and i < 3) else [1.0, 0.5, 2.0][i % 3] for i in range(length)]
            rows.append(dict(tokens=tokens, weights=weights, adapter=adapter))
            seed += 1
        result.append(rows)
    return result


def forward(c: dict, w: dict, tokens: list[int], bank: dict | None = None, adapter: int | None = None) -> torch.Tensor:
    """Logits (T, V) of one sequence."""
    dtype = w["model.norm.weight"].dtype
    heads, kv_heads, d, T = c["heads"], c["kv_heads"], c["head_size"], len(tokens)
    angle = torch.arange(T, dtype=torch.float64)[:, None] * ROPE_BASE ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    cos, sin = (torch.cat([f(angle)] * 2, -1).to(dtype)[:, None] for f in (torch.cos, torch.sin))

    def norm(x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight

    def turn(x):
        return x * cos + torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1) * sin

    def project(x, layer, role):
        y = x @ w[f"model.layers.{layer}.{ROLES[role]}.weight"].T
        a, b = ((bank or {}).get(f"adapter.{layer}.{role}.{half}") for half in "ab")
        return y if a is None or adapter is None else y + SCALES[adapter] * (x @ a[adapter].T @ b[adapter].T)

    causal = torch.ones(T, T, dtype=torch.bool).tril()
    x = w["model.embed_tokens.weight"][tokens]
    for layer in range(c["layers"]):
        h = norm(x, w[f"model.layers.{layer}.input_layernorm.weight"])
        q, k = turn(project(h, layer, "q").view(T, heads, d)), turn(project(h, layer, "k").view(T, kv_heads, d))
        v = project(h, layer, "v").view(T, kv_heads, d)
        k, v = (z.repeat_interleave(heads // kv_heads, 1) for z in (k, v))
        scores = torch.einsum("thd,shd->hts", q, k) / d**0.5
        p = scores.masked_fill(~causal, float("-inf")).softmax(-1)
        x = x + project(torch.einsum("hts,shd->thd", p, v).reshape(T, heads * d), layer, "o")
        h = norm(x, w[f"model.layers.{layer}.post_attention_layernorm.weight"])
        x = x + project(F.silu(project(h, layer, "gate")) * project(h, layer, "up"), layer, "down")
    head = w["model.embed_tokens.weight" if c["tied"] else "lm_head.weight"]
    return norm(x, w["model.norm.weight"]) @ head.T


def weighted_loss(c, w, micro, bank=None) -> torch.Tensor:
    """Σ weight·(−log p) of a micro-batch."""
    total = 0
    for row in micro:
        logits = forward(c, w, row["tokens"][:-1], bank, row["adapter"])
        nll = F.cross_entropy(logits, torch.tensor(row["tokens"][1:]), reduction="none")
        total = total + (nll * torch.tensor(row["weights"][1:], dtype=nll.dtype)).sum()
    return total


def tensors(values: dict[str, np.ndarray], dtype, trained: bool) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, dtype=dtype, requires_grad=trained) for name, value in values.items()}


def start(c, weights, bank_name, dtype):
    """Weights, adapters if any, and which of them are trained."""
    w = tensors(weights, dtype, bank_name is None)
    bank = tensors(bank_values(c, bank_name), dtype, True) if bank_name else None
    return w, bank, bank or w


def first_step(c, weights, bank_name, dtype):
    """Logits of the first micro-batch; loss sum and gradients of the first step."""
    w, bank, trained = start(c, weights, bank_name, dtype)
    micros = batches(c, 0)
    with torch.no_grad():
        logits = torch.cat([forward(c, w, row["tokens"][:-1], bank, row["adapter"]) for row in micros[0]])
    loss = sum(weighted_loss(c, w, micro, bank) for micro in micros)
    gradients = dict(zip(trained, torch.autograd.grad(loss, list(trained.values()))))
    return dict(logits=logits, loss=loss.item(), gradients=gradients)


def ten_steps(c, weights, bank_name, dtype):
    """Losses and norms of ten steps, and the parameters after them."""
    w, bank, trained = start(c, weights, bank_name, dtype)
    groups = [
        dict(params=[p for p in trained.values() if p.dim() > 1], weight_decay=ADAMW["weightDecay"]),
        dict(params=[p for p in trained.values() if p.dim() == 1], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=0, betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["eps"], foreach=False)
    losses, norms = [], []
    for step, rate in enumerate(learning_rates()):
        micros = batches(c, step)
        weight = sum(sum(row["weights"][1:]) for micro in micros for row in micro)
        optimizer.zero_grad()
        total = 0
        for micro in micros:
            part = weighted_loss(c, w, micro, bank)
            part.backward()
            total += part.item()
        norm = torch.sqrt(sum(p.grad.pow(2).sum() for p in trained.values())) / weight
        for p in trained.values():
            p.grad *= min(1.0, ADAMW["maxNorm"] / norm.item()) / weight
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        losses.append(total / weight)
        norms.append(norm.item())
    return dict(losses=losses, norms=norms, parameters={name: p.detach() for name, p in trained.items()})


def run(c, weights, bank_name, dtype):
    return first_step(c, weights, bank_name, dtype) | ten_steps(c, weights, bank_name, dtype)


def requantized(weights, kind: GGMLQuantizationType):
    """The weights after a round trip through a block format; norms stay as they are."""
    return {k: dequantize(quantize(v, kind), kind).astype(np.float32) if v.ndim > 1 else v for k, v in weights.items()}


def learning_rates() -> list[float]:
    peak, warmup, last = SCHEDULE["learningRate"], SCHEDULE["warmupSteps"], SCHEDULE["maxSteps"]
    decay = lambda step: (1 + np.cos(np.pi * (step - warmup) / (last - warmup))) / 2
    return [float(peak * (step / warmup if step <= warmup else decay(step))) for step in range(1, STEPS + 1)]


def deviation(a, b) -> float:
    a, b = a.detach().double(), b.detach().double()
    return float((a - b).abs().max() / b.abs().max())


def check_transformers(c, weights) -> None:
    """The plain model equals transformers', and its adapters PEFT's, logits and gradients."""
    model = transformers_model(c, weights)
    row = batches(c, 0)[0][0]
    tokens = torch.tensor([row["tokens"]])
    w = tensors(weights, torch.float32, False)
    assert deviation(forward(c, w, row["tokens"]), model(tokens).logits[0]) < 1e-5
    bank = tensors(bank_values(c, "all"), torch.float32, True)
    peft = peft_model(c, model, bank_values(c, "all"), row["adapter"], "all")
    logits = peft(tokens).logits[0]
    assert deviation(forward(c, w, row["tokens"], bank, row["adapter"]), logits) < 1e-5
    projection = torch.tensor(noise(3, logits.numel()), dtype=torch.float32).view_as(logits)
    (logits * projection).sum().backward()
    (forward(c, w, row["tokens"], bank, row["adapter"]) * projection).sum().backward()
    for layer in range(c["layers"]):
        for role, name in ROLES.items():
            module = peft.get_submodule(f"base_model.model.model.layers.{layer}.{name}")
            for half, lora in (("a", module.lora_A), ("b", module.lora_B)):
                ours = bank[f"adapter.{layer}.{role}.{half}"].grad[row["adapter"]]
                assert deviation(ours, lora["default"].weight.grad) < 2e-5


def transformers_model(c, weights) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=c["vocabulary"], hidden_size=c["channels"], intermediate_size=c["feed_forward"], num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"], num_key_value_heads=c["kv_heads"], head_dim=c["head_size"], rms_norm_eps=EPS,
        rope_parameters=dict(rope_type="default", rope_theta=ROPE_BASE), tie_word_embeddings=c["tied"], attn_implementation="eager",
    )  # fmt: skip
    model = LlamaForCausalLM(config).float().eval()
    missing, unexpected = model.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=False)
    assert not unexpected and missing in ([], ["lm_head.weight"])
    model.tie_weights()
    return model


def peft_model(c, model, values, adapter, bank):
    names = [ROLES[role].split(".")[1] for role in BANKS[bank]]
    alpha = SCALES[adapter] * RANK
    peft = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=alpha, target_modules=names, task_type="CAUSAL_LM")).eval()
    for layer in range(c["layers"]):
        for role in BANKS[bank]:
            module = peft.get_submodule(f"base_model.model.model.layers.{layer}.{ROLES[role]}")
            for half, lora in (("a", module.lora_A), ("b", module.lora_B)):
                lora["default"].weight.data = torch.tensor(values[f"adapter.{layer}.{role}.{half}"][adapter])
    return peft


def write_gguf(path: Path, c: dict, weights: dict[str, np.ndarray]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(c["vocabulary"])
    writer.add_context_length(64)
    writer.add_embedding_length(c["channels"])
    writer.add_block_count(c["layers"])
    writer.add_feed_forward_length(c["feed_forward"])
    writer.add_head_count(c["heads"])
    writer.add_head_count_kv(c["kv_heads"])
    writer.add_rope_dimension_count(c["head_size"])
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPS)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, c["layers"])
    for name, value in weights.items():
        if "q_proj" in name or "k_proj" in name:  # llama.cpp keeps the two halves of a pair of the rotation side by side
            heads = c["heads" if "q_proj" in name else "kv_heads"]
            value = value.reshape(heads, 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def projections(values: dict[str, torch.Tensor]) -> np.ndarray:
    """(tensors by name, 4): Σ value·noise over the elements, four times."""
    return np.array([[noise(seed, v.numel()) @ v.double().numpy().ravel() for seed in range(4)] for _, v in sorted(values.items())])


def golden_runs(c: dict, weights: dict[str, np.ndarray]) -> tuple[dict, dict]:
    """What the tests compare: facts for the JSON file, arrays for the safetensors file."""
    facts = dict(
        config=c, ropeBase=ROPE_BASE, eps=EPS, rank=RANK, scales=SCALES, adamw=ADAMW, schedule=SCHEDULE,
        learningRates=learning_rates(), batches=[batches(c, step) for step in range(2)], runs={},
    )  # fmt: skip
    arrays = {}
    for label, bank in (("full", None), ("qv", "qv"), ("all", "all")):
        double, single = (run(c, weights, bank, dtype) for dtype in (torch.float64, torch.float32))
        clipped = [norm > ADAMW["maxNorm"] for norm in double["norms"]]
        print(label, "steps clipped:", sum(clipped), "losses", double["losses"][0], double["losses"][-1])
        # How far PyTorch's own float32 is from its float64.
        own = dict(
            logits=deviation(single["logits"], double["logits"]),
            gradients=max(deviation(single["gradients"][k], g) for k, g in double["gradients"].items()),
            losses=max(abs(a / b - 1) for a, b in zip(single["losses"], double["losses"])),
        )
        facts["runs"][label] = dict(roles=BANKS.get(bank), losses=double["losses"], norms=double["norms"], float32Deviation=own)
        arrays[f"{label}.logits"] = double["logits"].numpy()
        for k, g in double["gradients"].items():
            arrays[f"{label}.gradient.{k}"] = g.numpy().astype(np.float32)
        for kind in ("gradients", "parameters"):
            arrays[f"{label}.projections.{kind}"] = projections(double[kind])
    return facts, arrays


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for index, (name, c) in enumerate(MODELS.items()):
        weights = random_weights(c, np.random.default_rng(index))
        check_transformers(c, weights)
        write_gguf(OUT / f"{name}.gguf", c, weights)
        facts, arrays = golden_runs(c, weights)
        if c["channels"] % 32 == 0:
            facts["quantized"] = {}
            for kind in (GGMLQuantizationType.F16, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0):
                step = first_step(c, requantized(weights, kind), "all", torch.float64)
                facts["quantized"][kind.name.lower()] = step["loss"]
                arrays[f"{kind.name.lower()}.projections.gradients"] = projections(step["gradients"])
        save_file(arrays, OUT / f"{name}.safetensors")
        (OUT / f"{name}.safetensors").chmod(0o644)
        (OUT / f"{name}.json").write_text(json.dumps(facts) + "\n")
        if name == "untied":
            peft = peft_model(c, transformers_model(c, weights), bank_values(c, "all"), 0, "all")
            peft.save_pretrained(OUT / "peft")
            (OUT / "peft" / "README.md").unlink()
            config = json.loads((OUT / "peft" / "adapter_config.json").read_text())
            config["target_modules"].sort()  # a set: its order changes from run to run
            (OUT / "peft" / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
            (OUT / "peft" / "adapter_model.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
