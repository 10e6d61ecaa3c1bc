"""SST-2 with LoRA: this library beside Hugging Face peft, in alternating runs on the same rows in the same order.

    python compare_sst2.py --jar peft.jar --model MINILM_DIR --train train.tsv --test test.tsv --out DIR
        [--runs 5] [--rows 16000] [--ours bf16,fp32] [--hf fp32,bf16-autocast,fp32+group,bf16-autocast+group] [--java java]

Every round runs each contestant once, so that all of them meet the same state of the machine. Prints, and writes to
DIR/table.md, the medians and the ratio of our best to each of theirs, round by round. DIR/*.json keep single results.
Needs the packages of hf_sst2.py, a JDK and the jar (mvn package).
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", required=True)
    parser.add_argument("--java", default="java")
    parser.add_argument("--heap", default="256m", help="-Xmx of our side")
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=16000)
    parser.add_argument("--ours", default="bf16,fp32")
    parser.add_argument("--hf", default="fp32,bf16-autocast,fp32+group,bf16-autocast+group")
    return parser.parse_args()


def ours(args, kind, order, result):
    command = [args.java, f"-Xmx{args.heap}", "-jar", args.jar, "bench", "--model", args.model, "--train", args.train,
               "--test", args.test, "--order", order, "--rows", str(args.rows), "--output", str(result)]
    return command + (["--bf16"] if kind == "bf16" else [])


def theirs(args, kind, order, result):
    dtype, _, grouped = kind.partition("+")
    command = [sys.executable, str(HERE / "hf_sst2.py"), "--model", args.model, "--train", args.train,
               "--test", args.test, "--order", order, "--rows", str(args.rows), "--dtype", dtype, "--json", str(result)]
    return command + (["--group-by-length"] if grouped else [])


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    available = sum(1 for _ in open(args.train, encoding="utf-8")) - 1
    order = args.out / "order.txt"
    order.write_text("\n".join(map(str, random.Random(0).sample(range(available), args.rows))) + "\n")
    contestants = [("ours " + kind, ours, kind) for kind in args.ours.split(",")]
    contestants += [("HF " + kind, theirs, kind) for kind in args.hf.split(",")]
    results = {name: [] for name, _, _ in contestants}
    for round_ in range(args.runs):
        for name, command, kind in contestants:
            path = args.out / f"{name.replace(' ', '-')}-{round_}.json"
            subprocess.run(command(args, kind, str(order), path), check=True, stdout=subprocess.DEVNULL)
            results[name].append(json.loads(path.read_text()))
            last = results[name][-1]
            print(f"round {round_ + 1} {name}: {last['examples_per_s']:.1f} examples/s, accuracy"
                  f" {last['accuracy']:.4f}, peak RSS {last['peak_rss_mb']:.0f} MiB", flush=True)

    def median(name, key):
        return statistics.median(run[key] for run in results[name])

    best = max((name for name, command, _ in contestants if command is ours), key=lambda n: median(n, "examples_per_s"))
    lines = [f"| {args.runs} rounds, {args.rows} rows | examples/s | min–max | accuracy | peak RSS MiB | {best} is faster by |",
             "|---|---|---|---|---|---|"]
    for name, _, _ in contestants:
        speeds = [run["examples_per_s"] for run in results[name]]
        ratios = [a["examples_per_s"] / b["examples_per_s"] for a, b in zip(results[best], results[name])]
        lines.append(f"| {name} | {statistics.median(speeds):.1f} | {min(speeds):.1f}–{max(speeds):.1f}"
                     f" | {median(name, 'accuracy'):.4f} | {median(name, 'peak_rss_mb'):.0f}"
                     f" | {statistics.median(ratios):.2f}× |")
    table = "\n".join(lines)
    (args.out / "table.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
