"""SST-2 with LoRA: this library beside Hugging Face peft, in alternating runs on the same rows in the same order.

    python compare_sst2.py --jar peft.jar --model MINILM_DIR --train train.tsv --test test.tsv --out DIR
        [--runs 5] [--rows 16000] [--ours bf16,fp32] [--hf fp32,bf16-autocast,fp32+group,bf16-autocast+group] [--java java]

Prints, and writes to DIR/table.md, the medians and the ratio of our first kind to each, round by round. DIR/*.json keep
single results. Needs the packages of hf_sst2.py, a JDK and the jar (mvn package).
"""

import argparse
import random
from pathlib import Path

from rounds import PEAK, Figure, add_arguments, compare, contestants, ours

HERE = Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--rows", type=int, default=16000)
    parser.add_argument("--ours", default="bf16,fp32")
    parser.add_argument("--hf", default="fp32,bf16-autocast,fp32+group,bf16-autocast+group")
    return parser.parse_args()


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.train, encoding="utf-8") as train:
        available = sum(1 for _ in train) - 1
    order = args.out / "order.txt"
    order.write_text("\n".join(map(str, random.Random(0).sample(range(available), args.rows))) + "\n")
    files = ["--model", args.model, "--train", args.train, "--test", args.test, "--order", order, "--rows", args.rows]

    def our(kind, path):
        return ours(args, "bench", *files, "--output", path, *(["--bf16"] if kind == "bf16" else []))

    def their(kind, path):
        dtype, _, grouped = kind.partition("+")
        return [args.python, HERE / "hf_sst2.py", *files, "--dtype", dtype, "--json", path,
                *(["--group-by-length"] if grouped else [])]

    entrants = contestants(args.ours, our, args.hf, their)
    compare(args, entrants, Figure("examples_per_s", "examples/s", ".1f"), [Figure("accuracy", "accuracy", ".4f"), PEAK], f", {args.rows} rows")


if __name__ == "__main__":
    main()
