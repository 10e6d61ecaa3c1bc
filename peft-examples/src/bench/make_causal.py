"""The model and the examples of the decoder benchmark, the same for both sides.

    python make_causal.py --tasks seed_tasks.jsonl --tokenizer tokenizer.json --out DIR [--max-length 1024]

Writes DIR/model (Llama shape of 100 M parameters, 12 x 768, 12 heads, 4 of keys, feed-forward 2048, vocabulary 32,000, random
weights, bfloat16) and DIR/examples.jsonl, one {"input_ids", "prompt"} a task of self-instruct's seed_tasks.jsonl: the first
instance as prompt and completion, "prompt" tokens of which are not to be predicted. Any tokenizer of at most 32,000 words
will do. Needs torch, transformers, tokenizers.
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

END = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--max-length", type=int, default=1024)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=32000, hidden_size=768, intermediate_size=2048, num_hidden_layers=12,
                         num_attention_heads=12, num_key_value_heads=4, max_position_embeddings=2048, pad_token_id=0,
                         bos_token_id=1, eos_token_id=END, tie_word_embeddings=False)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(args.out / "model")
    tokenizer = Tokenizer.from_file(args.tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    lengths = []
    with open(args.tasks, encoding="utf-8") as tasks, open(args.out / "examples.jsonl", "w") as out:
        for line in tasks:
            task = json.loads(line)
            instance = task["instances"][0]
            question = task["instruction"] + ("\n\n" + instance["input"] if instance["input"] else "") + "\n\n"
            prompt = tokenizer.encode(question, add_special_tokens=False).ids
            ids = prompt + tokenizer.encode(instance["output"], add_special_tokens=False).ids + [END]
            ids = ids[:args.max_length]
            if len(prompt) < len(ids):
                out.write(json.dumps({"input_ids": ids, "prompt": len(prompt)}) + "\n")
                lengths.append((len(ids), len(ids) - len(prompt)))
    total, labels = map(sum, zip(*lengths))
    print(f"{len(lengths)} examples, {total} tokens, {labels} to predict, longest {max(n for n, _ in lengths)}")


if __name__ == "__main__":
    main()
