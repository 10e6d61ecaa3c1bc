"""LoRA on a 100 M Llama: this library beside Hugging Face peft, in alternating runs on the same examples in the same order.

    python make_causal.py --tasks seed_tasks.jsonl --tokenizer tokenizer.json --out BENCH
    python compare_causal.py --jar peft.jar --bench BENCH --out DIR [--runs 5] [--steps 21] [--java java]
        [--hf padded,rows,flat,padded+checkpointing,rows+checkpointing] [--ours bf16,bf16+checkpointing]

Prints, and writes to DIR/table.md, medians and the ratio of ours to each of theirs, round by round; with and without
checkpointing are compared apart. DIR/*.json keep single results. Needs the packages of hf_causal.py, a JDK and the jar
(mvn package).
"""

import argparse
from functools import partial
from pathlib import Path

from rounds import CPU, PEAK, Figure, add_arguments, bench_causal, compare, contestants

HERE = Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--bench", required=True, type=Path)
    parser.add_argument("--steps", type=int, default=21)
    parser.add_argument("--ours", default="bf16,bf16+checkpointing")
    parser.add_argument("--hf", default="padded,rows,flat,padded+checkpointing,rows+checkpointing")
    parser.add_argument("--adapters", default="bf16", help="of theirs: bf16, or peft's default fp32")
    return parser.parse_args()


def main():
    args = arguments()
    files = ["--model", args.bench / "model", "--examples", args.bench / "examples.jsonl", "--steps", args.steps]

    def their(kind, path):
        layout, _, checkpointing = kind.partition("+")
        return [args.python, HERE / "hf_causal.py", *files, "--layout", layout, "--adapters", args.adapters,
                "--json", path, *(["--gradient-checkpointing"] if checkpointing else [])]

    entrants = contestants(args.ours, partial(bench_causal, args, files), args.hf, their)
    compare(args, entrants, Figure("tokens_per_s", "real tokens/s", ".0f"), [CPU, PEAK], f" of {args.steps} steps")


if __name__ == "__main__":
    main()
