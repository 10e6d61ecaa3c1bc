"""LoRA on a decoder with Hugging Face transformers and peft: what our own training is measured against.

    python hf_causal.py --model DIR --examples examples.jsonl --json out.json \
        [--layout padded|rows|flat] [--gradient-checkpointing] [--adapters bf16|fp32] [--epochs 1] [--warmup 3]

Model and examples come from make_causal.py. LoRA r16 on all seven projections of a bfloat16 base, loss on completions alone,
AdamW (fused), gradients clipped to norm 1; a plain PyTorch loop without the Trainer's overhead, SDPA attention. Layouts of a
batch of 8 examples:
  padded   to its longest example, as peft's users have it by default (DataCollatorForSeq2Seq)
  rows     packed into rows as long as its longest example, first fit decreasing (TRL's "bfd" packing), positions restarting;
           transformers makes the block-diagonal mask from them
  flat     all in one row (padding-free, DataCollatorWithFlattening), likewise
--adapters fp32 keeps the adapter's weights in float32, which is peft's default and casts at each use; bf16 is faster.
Prints one JSON object; tokens_per_s counts real tokens over the steps after the first --warmup ones.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model

from hf_common import peak_rss_mb

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--layout", choices=["padded", "rows", "flat"], default="padded")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--adapters", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=0, help="0 for one epoch")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json")
    return parser.parse_args()


def labelled(example):
    return [-100] * example["prompt"] + example["input_ids"][example["prompt"]:]


def pack(examples, width):
    """First fit decreasing: each row is a list of examples."""
    rows = []
    for example in sorted(examples, key=lambda e: -len(e["input_ids"])):
        for row in rows:
            if sum(len(e["input_ids"]) for e in row) + len(example["input_ids"]) <= width:
                row.append(example)
                break
        else:
            rows.append([example])
    return rows


def collate(examples, layout):
    longest = max(len(e["input_ids"]) for e in examples)
    rows = {"padded": lambda: [[e] for e in examples], "rows": lambda: pack(examples, longest),
            "flat": lambda: [examples]}[layout]()
    width = max(sum(len(e["input_ids"]) for e in row) for row in rows)
    ids, labels, positions = [], [], []
    for row in rows:
        gap = width - sum(len(e["input_ids"]) for e in row)
        ids.append([t for e in row for t in e["input_ids"]] + [0] * gap)
        # an example's first token has no place to be predicted from
        labels.append([t for e in row for t in [-100] + labelled(e)[1:]] + [-100] * gap)
        positions.append([i for e in row for i in range(len(e["input_ids"]))] + list(range(gap)))
    batch = {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}
    if layout == "padded":
        batch["attention_mask"] = torch.tensor([[1] * len(r[0]["input_ids"]) + [0] * (width - len(r[0]["input_ids"]))
                                                for r in rows])
    else:
        batch["position_ids"] = torch.tensor(positions)
    return batch


def build(args):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model, dtype=torch.bfloat16, attn_implementation="sdpa")
    model.config.use_cache = False
    if args.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules=PROJECTIONS)
    return get_peft_model(model, config, autocast_adapter_dtype=args.adapters == "fp32").train()


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    examples = [json.loads(line) for line in Path(args.examples).read_text().splitlines()]
    batches = [examples[i:i + args.batch] for i in range(0, len(examples) - args.batch + 1, args.batch)]
    steps = args.steps or len(batches)
    model = build(args)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    tokens = computed = 0
    losses = []
    for step in range(args.warmup + steps):
        if step == args.warmup:
            start, cpu = time.perf_counter(), time.process_time()
        batch = batches[step % len(batches)]
        inputs = collate(batch, args.layout)
        loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step >= args.warmup:
            tokens += sum(len(e["input_ids"]) for e in batch)
            computed += inputs["input_ids"].numel()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    result = {
        "implementation": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "layout": args.layout, "checkpointing": args.gradient_checkpointing, "adapters": args.adapters,
        "threads": args.threads, "steps": steps, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2),
        "tokens": tokens, "computed_tokens": computed, "tokens_per_s": round(tokens / seconds, 1),
        "first_loss": losses[0], "last_loss": losses[-1], "peak_rss_mb": round(peak_rss_mb(), 1),
    }
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
