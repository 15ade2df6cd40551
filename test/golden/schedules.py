"""Learning rates by transformers' get_scheduler, of every step of some runs, at the rate 1: schedules.py > schedules.json"""

import json

import torch
import transformers


def rates(kind, warmup, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = transformers.get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


runs = [
    {"type": kind, "warmupSteps": warmup, "maxSteps": steps, "rates": rates(kind, warmup, steps)}
    for kind in ("constant_with_warmup", "linear", "cosine")
    for warmup, steps in ((0, 1), (0, 4), (0, 5), (1, 5), (3, 10), (9, 10))
]
for run in runs:
    run["type"] = run["type"].removesuffix("_with_warmup")
print(json.dumps({"transformers": transformers.__version__, "runs": runs}, indent=1))
