"""QLoRA on a 100 M Llama: this library beside Hugging Face peft on bitsandbytes' CPU backend, in alternating runs.

    python make_causal.py --tasks seed_tasks.jsonl --tokenizer tokenizer.json --out BENCH
    python compare_qlora.py --jar peft.jar --bench BENCH --out DIR [--runs 5] [--steps 8] [--threads N] [--python PYTHON]
        [--ours bf16,bf16+checkpointing] [--hf fp32,bf16,fp32+checkpointing,bf16+checkpointing]

Both sides load the same folder, BENCH/nf4, which peft quantize makes of BENCH/model: NF4 with double quantization. Batches
of 4 x 256 tokens, every one predicted; LoRA r16 on all linear layers, products in bfloat16. Their kinds are the type of
their adapters, of which fp32 is peft's default. Prints, and writes to DIR/table.md, medians and the ratio of ours to each
of theirs, round by round; with and without checkpointing are compared apart. DIR/*.json keep single results. --python is
theirs, with the packages of hf_qlora.py; a JDK and the jar (mvn package) are ours.
"""

import argparse
import json
import random
from functools import partial
from pathlib import Path

from rounds import CPU, PEAK, Figure, add_arguments, bench_causal, compare, contestants, ours, run

HERE = Path(__file__).parent
BATCH, LENGTH, WARMUP = 4, 256, 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--bench", required=True, type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--ours", default="bf16,bf16+checkpointing")
    parser.add_argument("--hf", default="fp32,bf16,fp32+checkpointing,bf16+checkpointing")
    return parser.parse_args()


def prepare(args):
    """The packed model and random tokens, as options of both sides."""
    packed, examples = args.bench / "nf4", args.out / "examples.jsonl"
    if not (packed / "config.json").exists():
        run(ours(args, "quantize", "--model", args.bench / "model", "--output", packed,
                 "--quantization", "nf4", "--double-quant"))
    vocabulary = json.loads((packed / "config.json").read_text())["vocab_size"]
    generator = random.Random(0)
    args.out.mkdir(parents=True, exist_ok=True)
    examples.write_text("".join(
        json.dumps({"input_ids": [generator.randrange(3, vocabulary) for _ in range(LENGTH)], "prompt": 0}) + "\n"
        for _ in range(BATCH * (WARMUP + args.steps))))
    return ["--model", packed, "--examples", examples, "--batch", BATCH, "--steps", args.steps, "--warmup", WARMUP]


def main():
    args = arguments()
    options = prepare(args)

    def their(kind, path):
        adapters, _, checkpointing = kind.partition("+")
        return [args.python, HERE / "hf_qlora.py", *options, "--adapters", adapters, "--json", path,
                *(["--gradient-checkpointing"] if checkpointing else [])]

    entrants = contestants(args.ours, partial(bench_causal, args, options), args.hf, their)
    compare(args, entrants, Figure("tokens_per_s", "tokens/s", ".0f"), [CPU, PEAK], f" of {args.steps} steps")


if __name__ == "__main__":
    main()
