"""Writes stories260k.json: what transformers makes of the model stories260K (float32, greedy).

    python test/golden/stories260k.py DIRECTORY     # that holds stories260Ktok512.gguf
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

FILE = "stories260Ktok512.gguf"
PROMPT = [1, 403, 407, 261, 378]  # BOS, "Once upon a time"
COUNT = 200

config = AutoConfig.from_pretrained(sys.argv[1], gguf_file=FILE)
config.pad_token_id = None  # the file's is no token of the vocabulary
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], config=config, gguf_file=FILE, dtype=torch.float32)
tokens = list(PROMPT)
with torch.no_grad():
    for _ in range(COUNT):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    loss = torch.nn.functional.cross_entropy(model(torch.tensor([tokens])).logits[0, :-1].double(), torch.tensor(tokens[1:]))
golden = dict(prompt=PROMPT, tokens=tokens[len(PROMPT) :], meanLoss=loss.item())
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
