"""SST-2 with Hugging Face transformers and peft: what our own training is measured against.

    python hf_sst2.py --model MINILM_DIR --train train.tsv --test test.tsv --order order.txt --json out.json \
        [--dtype fp32|bf16-autocast|bf16-base] [--group-by-length] [--threads 2]

LoRA on an encoder with a sequence-classification head (trained whole, as TaskType.SEQ_CLS does), one epoch, AdamW,
linear schedule with warm-up, gradients clipped to norm 1. A plain PyTorch loop without the Trainer's overhead: SDPA
attention, fused AdamW, batches padded to their longest row, no backward pass below the lowest adapter.
--order names a file of row indices of --train (white space between them), so that both sides see the same rows in the
same order; without it, --rows are drawn by --seed, and --write-order saves them.
--group-by-length sorts each run of 50 batches by length, longest first, as the Trainer's group_by_length does.
bf16-autocast keeps fp32 weights and casts them at each use; bf16-base stores the frozen weights in bf16.
Prints one JSON object: examples_per_s (training loop alone), accuracy on --test, final loss, peak_rss_mb (VmHWM).
Needs torch, transformers, peft.
"""

import argparse
import contextlib
import json
import math
import time
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, TaskType, get_peft_model

from hf_common import collate, load_classifier, load_tokenizer, peak_rss_mb, read_tsv


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--order")
    parser.add_argument("--write-order")
    parser.add_argument("--rows", type=int, default=16000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--eval-batch", type=int, default=64)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--r", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=16)
    parser.add_argument("--targets", default="query,value")
    parser.add_argument("--adapter-config", help="folder with the adapter_config.json of what to train instead of LoRA")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup-ratio", type=float, default=0.06)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--dtype", choices=["fp32", "bf16-autocast", "bf16-base"], default="fp32")
    parser.add_argument("--group-by-length", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--save", help="folder to save the adapter in")
    parser.add_argument("--json", help="file for the result")
    return parser.parse_args()


def row_order(args, available):
    if args.order:
        order = [int(i) for i in Path(args.order).read_text().split()][:args.rows]
        if not all(0 <= i < available for i in order):
            raise SystemExit(f"{args.order}: an index lies outside the {available} rows of {args.train}")
    else:
        order = torch.randperm(available, generator=torch.Generator().manual_seed(args.seed))[:args.rows].tolist()
    if args.write_order:
        Path(args.write_order).write_text("\n".join(map(str, order)) + "\n")
    return order


def batch_plan(order, lengths, args):
    if args.group_by_length:
        span = 50 * args.batch
        runs = [order[i:i + span] for i in range(0, len(order), span)]
        order = [i for run in runs for i in sorted(run, key=lambda i: lengths[i], reverse=True)]
    return [order[i:i + args.batch] for i in range(0, len(order), args.batch)]


def build(args):
    torch.manual_seed(args.seed)
    kept = torch.bfloat16 if args.dtype == "bf16-base" else torch.float32
    model = load_classifier(args.model, 2, dtype=kept)
    if args.adapter_config:
        config = peft.PeftConfig.from_pretrained(args.adapter_config)
    else:
        config = LoraConfig(task_type=TaskType.SEQ_CLS, r=args.r, lora_alpha=args.alpha, lora_dropout=0.0,
                            target_modules=args.targets.split(","))
    model = get_peft_model(model, config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def precision(args):
    return contextlib.nullcontext() if args.dtype == "fp32" else torch.autocast("cpu", torch.bfloat16)


def train(model, batches, rows, labels, pad_id, args):
    trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    exempt = [p for n, p in trainable if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in trainable if not any(p is q for q in exempt)]
    parameters = decayed + exempt
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": args.weight_decay}, {"params": exempt, "weight_decay": 0.0}],
        lr=args.lr, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(
        optimizer, math.ceil(len(batches) * args.warmup_ratio), len(batches))
    model.train()
    losses = []
    timed = []
    for batch in batches:
        timed.append((time.perf_counter(), time.process_time()))
        inputs = collate([rows[i] for i in batch], pad_id)
        with precision(args):
            loss = model(**inputs, labels=torch.tensor([labels[i] for i in batch])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    timed.append((time.perf_counter(), time.process_time()))
    warm = min(10, len(batches) - 1)  # steps that are not in the step times
    steps = [1e3 * (end - begin) / (len(batches) - warm) for begin, end in zip(timed[warm], timed[-1])]
    return torch.stack(losses).float(), steps


def accuracy(model, rows, labels, pad_id, args):
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    right = 0
    with torch.inference_mode(), precision(args):
        for start in range(0, len(order), args.eval_batch):
            batch = order[start:start + args.eval_batch]
            predicted = model(**collate([rows[i] for i in batch], pad_id)).logits.argmax(-1)
            right += (predicted == torch.tensor([labels[i] for i in batch])).sum().item()
    return right / len(rows)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    tokenizer = load_tokenizer(args.model, args.max_length)
    sentences, labels = read_tsv(args.train)
    order = row_order(args, len(sentences))
    encoded = tokenizer.encode_batch([sentences[i] for i in order])
    rows = dict(zip(order, (e.ids for e in encoded)))
    del encoded
    model = build(args)
    pad_id = model.config.pad_token_id
    batches = batch_plan(order, {i: len(row) for i, row in rows.items()}, args)

    start = time.perf_counter()
    losses, (step_ms, step_cpu_ms) = train(model, batches, rows, labels, pad_id, args)
    seconds = time.perf_counter() - start

    train_rss = peak_rss_mb()
    test_sentences, test_labels = read_tsv(args.test)
    test_rows = [e.ids for e in tokenizer.encode_batch(test_sentences)]
    start = time.perf_counter()
    correct = accuracy(model, test_rows, test_labels, pad_id, args)
    padded = sum(len(b) * max(len(rows[i]) for i in b) for b in batches)
    result = {
        "implementation": f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}",
        "dtype": args.dtype, "group_by_length": args.group_by_length, "threads": args.threads,
        "rows": len(order), "batch": args.batch, "steps": len(batches), "seed": args.seed,
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "step_ms": step_ms, "step_cpu_ms": step_cpu_ms, "train_s": round(seconds, 3), "examples_per_s": round(len(order) / seconds, 2),
        "tokens_per_s": round(sum(map(len, rows.values())) / seconds, 1),
        "padding_share": round(1 - sum(map(len, rows.values())) / padded, 4),
        "final_loss": losses[-1].item(), "mean_loss_last_50": losses[-50:].mean().item(),
        "accuracy": correct, "eval_s": round(time.perf_counter() - start, 3),
        "peak_rss_train_mb": round(train_rss, 1), "peak_rss_mb": round(peak_rss_mb(), 1),
    }
    if args.save:
        model.save_pretrained(args.save)
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
