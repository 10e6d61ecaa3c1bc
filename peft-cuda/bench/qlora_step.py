"""One kind of QLoRA step with Hugging Face's peft and bitsandbytes, to put beside `peft bench-causal`.

usage: qlora_step.py make FOLDER EXAMPLES [--small]   a random Llama (1.2 billion parameters) and rows
       qlora_step.py run FOLDER EXAMPLES [--device cuda|cpu] [--batch 4] [--steps 20] [--warmup 5]

The run prints one line of JSON: seconds a step, tokens a second, losses and, on a GPU, the peak that
torch's allocator reserved and what the driver says is taken, which is what peft4j reports."""

import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make(args):
    torch.manual_seed(0)
    sizes = dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16)
    heads = dict(num_attention_heads=32, num_key_value_heads=8, vocab_size=32000)
    length = 512
    if args.small:
        sizes = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2)
        heads = dict(num_attention_heads=4, num_key_value_heads=2, vocab_size=256)
        length = 32
    config = LlamaConfig(max_position_embeddings=2048, **sizes, **heads)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(args.folder)
    with open(args.examples, "w", encoding="utf-8") as out:
        for _ in range(64):
            ids = torch.randint(3, config.vocab_size, (length,)).tolist()
            out.write(json.dumps({"input_ids": ids, "prompt": 1}) + "\n")


def run(args):
    from peft import LoraConfig, get_peft_model

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(
        args.folder,
        quantization_config=quantization,
        dtype=torch.bfloat16,
        device_map={"": args.device},
    )
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS))
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
    with open(args.examples, encoding="utf-8") as lines:
        rows = [json.loads(line)["input_ids"] for line in lines]
    losses, started = [], 0.0
    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            started = time.perf_counter()
        at = step * args.batch % (len(rows) - args.batch + 1)
        ids = torch.tensor(rows[at : at + args.batch], device=args.device)
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    seconds = (time.perf_counter() - started) / args.steps
    result = {
        "step_seconds": seconds,
        "tokens_per_s": args.batch * len(rows[0]) / seconds,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    if args.device == "cuda":
        free, total = torch.cuda.mem_get_info()
        result["peak_reserved_mb"] = torch.cuda.max_memory_reserved() / 2**20
        result["device_used_mb"] = (total - free) / 2**20
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description="a QLoRA step with Hugging Face's peft")
    parser.add_argument("what", choices=("make", "run"))
    parser.add_argument("folder")
    parser.add_argument("examples")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=5)
    args = parser.parse_args()
    make(args) if args.what == "make" else run(args)


if __name__ == "__main__":
    main()
