"""peft on a really pretrained model: LoRA on stories260k over tinyshakespeare, and what it then says.

    PEFT4J_SHARED=DIR python peft-core/src/test/python/make_shakespeare.py

needs torch, transformers, accelerate and peft (made with 2.13, 5.18, 1.15 and 0.21), DIR/models/stories260k and
DIR/data/text/tinyshakespeare.txt. Writes src/test/resources/golden/shakespeare/:
initial/, trained/   the adapter before and after
golden.json          {settings, "steps": [{loss, grad_norm, learning_rate}], "before", "after": held-out perplexity,
                      "prompts", "greedy": tokens after each with the trained adapter, "scores": log-probabilities
                      of the first held-out block with the trained adapter}
"""

import os
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from hf_causal import greedy, log_probs, perplexity, train
from tiny import GOLDEN, write_json

ROOT = GOLDEN / "shakespeare"
SHARED = Path(os.environ.get("PEFT4J_SHARED", "../shared"))
SETTINGS = dict(epochs=1, batch=8, accumulation=2, rate=3e-3)
PROMPTS = ["ROMEO:\n", "Once upon a time", "The king"]
TRAIN, HELD_OUT, BLOCK = 200_000, 40_000, 128


def blocks(tokenizer, text):
    ids = tokenizer(text).input_ids
    return [(ids[i : i + BLOCK], ids[i : i + BLOCK]) for i in range(0, len(ids), BLOCK) if len(ids[i : i + BLOCK]) > 1]


def save(model, folder):
    model.peft_config["default"].base_model_name_or_path = None
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)


def main():
    folder = SHARED / "models" / "stories260k"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = (SHARED / "data" / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    examples = blocks(tokenizer, text[:TRAIN])
    held_out = blocks(tokenizer, text[-HELD_OUT:])
    torch.manual_seed(42)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    save(model, ROOT / "initial")
    before = perplexity(model, held_out)
    steps = train(model, examples, 42, **SETTINGS)
    after = perplexity(model, held_out)
    save(model, ROOT / "trained")
    prompts = [tokenizer(prompt).input_ids for prompt in PROMPTS]
    write_json(ROOT / "golden.json", {
        **SETTINGS, "seed": 42, "train_characters": TRAIN, "held_out_characters": HELD_OUT, "block": BLOCK,
        "examples": len(examples), "held_out": len(held_out), "steps": steps, "before": before, "after": after,
        "prompts": prompts, "greedy": [greedy(model, prompt, 64) for prompt in prompts],
        "scores": log_probs(model, *held_out[0])})
    print(len(examples), "examples,", len(steps), "steps: perplexity", before, "->", after)


main()
