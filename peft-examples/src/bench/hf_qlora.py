"""QLoRA on a decoder with transformers, peft and bitsandbytes' CPU backend: what ours is measured against.

    python hf_qlora.py --model DIR --examples examples.jsonl --json out.json
        [--gradient-checkpointing] [--adapters fp32|bf16] [--prepare] [--steps 6] [--warmup 2]

The folder is packed already, or a dense one that is packed here: NF4 with double quantization, products in bfloat16. LoRA r16
on all linear layers, every token predicted, AdamW (fused); a plain PyTorch loop without the Trainer's overhead, SDPA attention.
--adapters fp32 is peft's default; bf16 is faster. --prepare calls prepare_model_for_kbit_training, which makes everything that
is not packed float32. Examples are of equal length. Needs torch, transformers, peft, bitsandbytes. Prints one JSON object.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"

import bitsandbytes
import torch
import transformers
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import BitsAndBytesConfig

from hf_common import peak_rss_mb


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--adapters", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json")
    return parser.parse_args()


def build(args):
    torch.manual_seed(0)
    settings = {"dtype": torch.bfloat16, "device_map": "cpu", "attn_implementation": "sdpa"}
    if "quantization_config" not in json.loads((Path(args.model) / "config.json").read_text()):
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16)
    model = transformers.AutoModelForCausalLM.from_pretrained(args.model, **settings)
    model.config.use_cache = False
    kwargs = {"use_reentrant": False}
    if args.prepare:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=args.gradient_checkpointing,
                                                gradient_checkpointing_kwargs=kwargs)
    elif args.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)
        model.enable_input_require_grads()
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    return get_peft_model(model, config, autocast_adapter_dtype=args.adapters == "fp32").train()


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    rows = [json.loads(line)["input_ids"] for line in Path(args.examples).read_text().splitlines()]
    batches = [torch.tensor(rows[i:i + args.batch]) for i in range(0, len(rows) - args.batch + 1, args.batch)]
    model = build(args)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    losses = []
    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            start, cpu = time.perf_counter(), time.process_time()
        batch = batches[step % len(batches)]
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    tokens = args.steps * batches[0].numel()
    result = {
        "implementation": f"transformers {transformers.__version__}, torch {torch.__version__}, "
                          f"bitsandbytes {bitsandbytes.__version__}",
        "checkpointing": args.gradient_checkpointing, "adapters": args.adapters, "prepare": args.prepare,
        "threads": args.threads, "steps": args.steps, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2),
        "tokens": tokens, "tokens_per_s": round(tokens / seconds, 1), "first_loss": losses[0], "last_loss": losses[-1],
        "peak_rss_mb": round(peak_rss_mb(), 1),
    }
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
