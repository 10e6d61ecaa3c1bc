"""Full fine-tuning in bfloat16 as Hugging Face's Trainer does it, from a float32 and from a bfloat16 checkpoint.

    python peft-core/src/test/python/make_full_bf16.py        (after make_causal.py)

needs torch, transformers and accelerate (made with 2.13, 5.18 and 1.15). Writes src/test/resources/golden/full-bf16/:
checkpoint/   the model of make_causal.py rounded to bfloat16
golden.json   {"settings", "seed", "curves": {"float32" and "bfloat16", the checkpoint's type: {RUN: [losses]}}}, where RUN is
              float32:  weights as float32, no autocast: what both others are measured against
              autocast: weights as float32 and bf16=True, so the trained weights stay float32
              rounded:  weights as bfloat16 and bf16=True, which is what transformers does with a bfloat16 checkpoint unless
                        it is told dtype=float32: every update is rounded to the weight's eight bits
"""

import json
import shutil

import torch
import transformers

from hf_causal import train
from tiny import GOLDEN, write_json

ROOT = GOLDEN / "full-bf16"
SETTINGS = dict(epochs=4, batch=3, accumulation=1, rate=1e-3)
RUNS = {"float32": (torch.float32, False), "autocast": (torch.float32, True), "rounded": (torch.bfloat16, True)}


def load(folder, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    base = GOLDEN / "causal" / "llama"
    load(base, torch.bfloat16).save_pretrained(ROOT / "checkpoint")
    (ROOT / "checkpoint" / "generation_config.json").unlink(missing_ok=True)
    golden = json.loads((GOLDEN / "causal" / "golden.json").read_text())
    examples = [(e["ids"], e["labels"]) for e in golden["examples"]]
    curves = {}
    for stored, folder in {"float32": base, "bfloat16": ROOT / "checkpoint"}.items():
        curves[stored] = {
            run: [step["loss"] for step in train(load(folder, dtype), examples, 7, bf16=bf16, **SETTINGS)]
            for run, (dtype, bf16) in RUNS.items() if stored == "bfloat16" or run != "rounded"}
    write_json(ROOT / "golden.json", {"settings": SETTINGS, "seed": 7, "curves": curves})
    for stored, runs in curves.items():
        for run, losses in runs.items():
            worst = max(abs(a - b) for a, b in zip(losses, runs["float32"]))
            print(stored, run, f"{losses[0]:.4f} -> {losses[-1]:.4f}, at most {worst:.4f} from float32")


main()
