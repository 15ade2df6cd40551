"""Logits of a GGUF model with adapters, by transformers and PEFT: peft_logits.py MODEL.gguf TOKENS ADAPTER…

TOKENS is a JSON list; prints JSON: `results`, a list of logits (T, V), one for each adapter directory, and `warned`, what PEFT said of each.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

warnings.simplefilter("ignore")
warned = []
model, tokens, *adapters = sys.argv[1:]
place, file = str(Path(model).parent), Path(model).name
config = AutoConfig.from_pretrained(place, gguf_file=file)
results = []
for adapter in adapters:
    base = AutoModelForCausalLM.from_pretrained(place, config=config, gguf_file=file, dtype=torch.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        adapted = PeftModel.from_pretrained(base, adapter).eval()
    warned.append([str(warning.message) for warning in caught])
    with torch.no_grad():
        results.append(adapted(torch.tensor([json.loads(tokens)])).logits[0].tolist())
print(json.dumps({"results": results, "warned": warned}))
