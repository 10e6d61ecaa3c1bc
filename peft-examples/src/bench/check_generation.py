"""Does HF peft say the same with an adapter that was trained here?

    java -jar peft-examples/target/peft.jar generate --model MODEL --adapter ADAPTER --greedy \\
        --input prompts.jsonl --output ours.jsonl
    python peft-examples/src/bench/check_generation.py MODEL ADAPTER prompts.jsonl ours.jsonl      (ADAPTER - for none)

needs torch, transformers and peft. Each line of prompts.jsonl is {"prompt": text}. Continues each greedily by as
many tokens as ours.jsonl has, and exits with 1 if a text differs.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def lines(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def load(folder, adapter):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter != "-":
        model = PeftModel.from_pretrained(model, adapter)
    return AutoTokenizer.from_pretrained(folder), model.eval()


def main():
    folder, adapter, prompts, ours = sys.argv[1:]
    tokenizer, model = load(folder, adapter)
    different = 0
    for row, answer in zip(lines(prompts), lines(ours), strict=True):
        ids = torch.tensor([tokenizer(row["prompt"]).input_ids])
        grown = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=answer["tokens"],
            min_new_tokens=answer["tokens"] if answer["finish"] == "length" else None)[0]

        def text(tokens):
            return tokenizer.decode(tokens, skip_special_tokens=True)

        theirs = text(grown)[len(text(ids[0])):]
        same = theirs == answer["text"]
        different += not same
        print("same" if same else f"OTHER: {theirs!r}, here {answer['text']!r}", row["prompt"][:40])
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
