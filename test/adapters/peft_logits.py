"""Logits of a GGUF model with adapters, by transformers and PEFT: peft_logits.py MODEL.gguf TOKENS ADAPTER…

TOKENS is a JSON list; prints a JSON list of logits (T, V), one for each adapter directory.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

warnings.simplefilter("ignore")
model, tokens, *adapters = sys.argv[1:]
place, file = str(Path(model).parent), Path(model).name
config = AutoConfig.from_pretrained(place, gguf_file=file)
results = []
for adapter in adapters:
    base = AutoModelForCausalLM.from_pretrained(place, config=config, gguf_file=file, dtype=torch.float32)
    with torch.no_grad():
        results.append(PeftModel.from_pretrained(base, adapter).eval()(torch.tensor([json.loads(tokens)])).logits[0].tolist())
print(json.dumps(results))
