"""Trains a few steps of every kind of LoRA adapter on a real encoder with Hugging Face peft, for our side to load.

    python make_adapters.py --model MINILM_DIR --output DIR [--only NAME,NAME] [--steps 5]

Writes DIR/input.jsonl ({"text": …} or {"input_ids": …}), and for each combination DIR/NAME/ with adapter_config.json,
adapter_model.safetensors and logits.jsonl ({"logits": […]} for each input row, eval mode, fp32). What steps leave at
zero or unchanged is randomized a little before them, so that every tensor of the file counts.
Needs torch, transformers, peft.
"""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":  # peft writes sets into adapter_config.json, ordered by hash
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import torch
from peft import LoraConfig, TaskType, get_peft_model

from check_adapter import load_strictly, logits_of
from hf_common import collate, load_classifier, load_tokenizer

SEQ_CLS = dict(task_type=TaskType.SEQ_CLS)
QV = dict(target_modules=["query", "value"])
COMBINATIONS = {
    "lora": QV | SEQ_CLS,
    "rslora": QV | SEQ_CLS | dict(use_rslora=True),
    "dora": QV | SEQ_CLS | dict(use_dora=True),
    "patterns": QV | SEQ_CLS | dict(rank_pattern={r"layer\.[0-2]\.attention\.self\.query": 4, "value": 12},
                                    alpha_pattern={"layer.1.attention.self.value": 6}),
    "modules-to-save": QV | dict(modules_to_save=["classifier", "pooler"]),
    "bias-all": QV | SEQ_CLS | dict(bias="all"),
    "bias-lora-only": QV | SEQ_CLS | dict(bias="lora_only"),
    "embeddings": SEQ_CLS | dict(target_modules=["word_embeddings", "position_embeddings", "query"]),
    "embeddings-dora": SEQ_CLS | dict(target_modules=["word_embeddings", "query"], use_dora=True),
    "all-linear": SEQ_CLS | dict(target_modules="all-linear"),
    "all-linear-dora-rslora": SEQ_CLS | dict(target_modules="all-linear", use_dora=True, use_rslora=True),
    "regex": SEQ_CLS | dict(target_modules=r".*layer\.[35]\..*dense"),
    "exclude": SEQ_CLS | dict(target_modules=["dense"], exclude_modules=["pooler.dense"]),
    "layers": QV | SEQ_CLS | dict(layers_to_transform=[0, 2], layers_pattern="layer"),
    "lora-bias": QV | SEQ_CLS | dict(lora_bias=True),
    "gaussian": QV | SEQ_CLS | dict(init_lora_weights="gaussian"),
}
TEXTS = ["The pump ran all night without a single false alarm.", "the screen froze twice and nobody could say why",
         "It works.", "Setting it up took hours; the manual is no help at all, and support never called back.",
         "Ein Gerät, das hält, was es verspricht!", ""]
IDS = [[101, 2307, 102], [101, 1996, 3185, 2001, 6659, 1010, 2021, 1045, 3866, 2009, 102]]


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                noise = 0.1 * torch.randn(parameter.shape, generator=generator)
                parameter.copy_(parameter * (1 + noise) if "magnitude" in name else parameter + noise)


def steps(model, batches, count):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    model.eval()  # dropout off, so that the steps are the same everywhere
    for i in range(count):
        inputs, labels = batches[i % len(batches)]
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--only", help="names of combinations, with commas between")
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    tokenizer = load_tokenizer(args.model, 128)
    encoded = [tokenizer.encode(text).ids for text in TEXTS]
    rows = [{"text": text} for text in TEXTS] + [{"input_ids": ids} for ids in IDS]
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "input.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows),
                                             encoding="utf-8")
    names = args.only.split(",") if args.only else list(COMBINATIONS)
    for i, name in enumerate(names):
        torch.manual_seed(0)  # a head that the folder lacks must be the same one that check_adapter draws
        base = load_classifier(args.model, 2, dtype=torch.float32)
        model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, **COMBINATIONS[name]))
        randomize(model, i)
        batch = collate(encoded, model.config.pad_token_id)
        steps(model, [(batch, torch.tensor([1, 0, 1, 0, 1, 0]))], args.steps)
        expected = [logits_of(model, lambda: tokenizer, row) for row in rows]
        with model.disable_adapter():
            plain = [logits_of(model, lambda: tokenizer, row) for row in rows]
        effect = max(abs(a - b) for row, other in zip(plain, expected) for a, b in zip(row, other))
        folder = args.output / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        (folder / "logits.jsonl").write_text("".join(json.dumps({"logits": r}) + "\n" for r in expected))
        again = load_strictly(args.model, folder)
        worst = max(abs(a - b) for row, other in zip(rows, expected)
                    for a, b in zip(logits_of(again, lambda: tokenizer, row), other))
        print(f"{name}: {sum(p.numel() for p in model.parameters() if p.requires_grad)} trained, "
              f"logits moved by {effect:.2f}, reloaded within {worst:.1e}")
        if worst > 1e-5:
            raise SystemExit(f"{name}: the saved adapter does not give the same logits")


if __name__ == "__main__":
    main()
