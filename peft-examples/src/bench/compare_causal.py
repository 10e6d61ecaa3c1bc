"""LoRA on a 100 M Llama: this library beside Hugging Face peft, in alternating runs on the same examples in the same order.

    python make_causal.py --tasks seed_tasks.jsonl --tokenizer tokenizer.json --out BENCH
    python compare_causal.py --jar peft.jar --bench BENCH --out DIR [--runs 5] [--steps 21] [--java java]
        [--hf padded,rows,flat,padded+checkpointing,rows+checkpointing] [--ours bf16,bf16+checkpointing]

Every round runs each contestant once, so that all of them meet the same state of the machine. Prints, and writes to
DIR/table.md, medians and the ratio of ours to each of theirs, round by round; with and without checkpointing are compared
apart. DIR/*.json keep single results. Needs the packages of hf_causal.py, a JDK and the jar (mvn package).
"""

import argparse
import json
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
    parser.add_argument("--bench", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=21)
    parser.add_argument("--ours", default="bf16,bf16+checkpointing")
    parser.add_argument("--hf", default="padded,rows,flat,padded+checkpointing,rows+checkpointing")
    parser.add_argument("--adapters", default="bf16", help="of theirs: bf16, or peft's default fp32")
    return parser.parse_args()


def command(args, side, kind, result):
    files = ["--model", str(args.bench / "model"), "--examples", str(args.bench / "examples.jsonl"),
             "--steps", str(args.steps)]
    layout, _, checkpointing = kind.partition("+")
    if side == "ours":
        line = [args.java, f"-Xmx{args.heap}", "-jar", args.jar, "bench-causal", *files, "--output", str(result)]
        line += ["--bf16"] if layout == "bf16" else []
        return line + (["--gradient-checkpointing", "on"] if checkpointing else [])
    line = [sys.executable, str(HERE / "hf_causal.py"), *files, "--layout", layout, "--adapters", args.adapters,
            "--json", str(result)]
    return line + (["--gradient-checkpointing"] if checkpointing else [])


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    contestants = [("ours", kind) for kind in args.ours.split(",")] + [("HF", kind) for kind in args.hf.split(",")]
    results = {contestant: [] for contestant in contestants}
    for round_ in range(args.runs):
        for side, kind in contestants:
            path = args.out / f"{side}-{kind}-{round_}.json"
            subprocess.run(command(args, side, kind, path), check=True, stdout=subprocess.DEVNULL)
            results[side, kind].append(json.loads(path.read_text()))
            last = results[side, kind][-1]
            print(f"round {round_ + 1} {side} {kind}: {last['tokens_per_s']:.0f} tokens/s, {last['cpu_seconds']:.1f} CPU s,"
                  f" first loss {last['first_loss']:.4f}, peak RSS {last['peak_rss_mb']:.0f} MiB", flush=True)

    def ratio(a, b, key):
        return statistics.median(x[key] / y[key] for x, y in zip(results[a], results[b]))

    lines = [f"| {args.runs} rounds of {args.steps} steps | real tokens/s | min–max | CPU s | peak RSS MiB"
             " | ours is faster by | our RSS is |", "|---|---|---|---|---|---|---|"]
    for side, kind in contestants:
        runs = results[side, kind]
        own = next((c for c in contestants if c[0] == "ours" and ("+" in c[1]) == ("+" in kind)), ("ours", kind))
        speeds = [run["tokens_per_s"] for run in runs]
        lines.append(
            f"| {side} {kind} | {statistics.median(speeds):.0f} | {min(speeds):.0f}–{max(speeds):.0f}"
            f" | {statistics.median(run['cpu_seconds'] for run in runs):.1f}"
            f" | {statistics.median(run['peak_rss_mb'] for run in runs):.0f}"
            f" | {ratio(own, (side, kind), 'tokens_per_s'):.2f}× | {ratio(own, (side, kind), 'peak_rss_mb'):.2f}× |")
    table = "\n".join(lines)
    (args.out / "table.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
