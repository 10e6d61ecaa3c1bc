"""Times torch's dense products and bitsandbytes' 4-bit ones, and prints them beside the figures of a
`GpuDoctor --bench` report as Markdown tables.

usage: compare.py REPORT [--device cuda|cpu] [--shapes NxK,...] [--rows N,...] [--runs N]

Exits with 2 where there is no GPU, or torch cannot use it. On a CPU, with small shapes, it shows that
the script works and nothing else."""

import argparse
import re
import sys
import time

try:
    import torch
except ImportError as problem:
    sys.exit(f"compare.py: torch is needed beside the figures of peft4j: {problem}")

try:
    import bitsandbytes.functional as bnb
    from bitsandbytes import matmul_4bit
except ImportError as problem:
    bnb = None
    print(f"bitsandbytes is left out: {problem}")


def arguments():
    parser = argparse.ArgumentParser(description="peft4j's kernels beside torch and bitsandbytes")
    parser.add_argument("report", help="what GpuDoctor --bench printed")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--shapes", default="4096x4096,11008x4096")
    parser.add_argument("--rows", default="1,16,512,4096")
    parser.add_argument("--runs", type=int, default=50)
    return parser.parse_args()


def milliseconds(work, device, runs):
    for _ in range(min(5, runs)):
        work()
    if device == "cpu":
        start = time.perf_counter()
        for _ in range(runs):
            work()
        return (time.perf_counter() - start) * 1e3 / runs
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(runs):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / runs


def ours(report):
    """Milliseconds by name, of the lines that were only timed."""
    times = {}
    for line in report:
        found = re.match(r"  ok +(.+?) +timed only +([\d.]+) ms", line)
        if found:
            times[found.group(1)] = float(found.group(2))
    return times


def cell(value):
    return "" if value is None else f"{value:.4f}"


def ratio(a, b):
    return "" if a is None or b is None else f"{a / b:.2f}"


def main():
    args = arguments()
    with open(args.report, encoding="utf-8") as report:
        times = ours(report)
    if args.device == "cuda" and not torch.cuda.is_available():
        print(f"compare.py: torch {torch.__version__} sees no GPU, so nothing was compared")
        sys.exit(2)
    gpu = args.device == "cuda"
    half = not gpu or torch.cuda.get_device_capability() >= (8, 0)
    dtype = torch.bfloat16 if half else torch.float16
    name = "bfloat16" if half else "float16"
    shapes = [tuple(map(int, shape.split("x"))) for shape in args.shapes.split(",")]
    title = torch.cuda.get_device_name() if gpu else "the CPU, to try the script"
    print(f"\n{title}, torch {torch.__version__}, {name}, {len(times)} figures of peft4j\n")

    def timed(work):
        return milliseconds(work, args.device, args.runs)

    def random(rows, columns, scale=1.0):
        return torch.randn(rows, columns, device=args.device, dtype=dtype) * scale

    def quantized(weight):
        return bnb.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)

    print("| product | peft4j nf4 + rank 16 ms | torch dense ms | bitsandbytes nf4 ms | torch / peft4j |")
    print("|---|---|---|---|---|")
    missing = []
    for n, k in shapes:
        weight = random(n, k, 0.02)
        packed, state = quantized(weight) if bnb else (None, None)
        for rows in map(int, args.rows.split(",")):
            x, dy = random(rows, k), random(rows, n)
            products = (
                ("multiply", lambda: x @ weight.t(), lambda: matmul_4bit(x, packed.t(), state)),
                (
                    "input gradient",
                    lambda: dy @ weight,
                    lambda: dy @ bnb.dequantize_4bit(packed, state),
                ),
            )
            for operation, dense, four_bit in products:
                key = f"{operation} {name} {rows} rows, {n}x{k}, rank 16"
                mine, theirs = times.get(key), timed(dense)
                bits = timed(four_bit) if bnb else None
                if mine is None:
                    missing.append(key)
                row = (key, cell(mine), cell(theirs), cell(bits), ratio(theirs, mine))
                print("| " + " | ".join(row) + " |")

    print("\n| dequantize | ms | GB/s | share of a device copy |")
    print("|---|---|---|---|")
    source = torch.empty((256 << 20) if gpu else (4 << 20), dtype=torch.uint8, device=args.device)
    target = torch.empty_like(source)
    copy = 2 * source.numel() / timed(lambda: target.copy_(source)) / 1e6
    print(f"| torch device copy | | {copy:.0f} | 1.00 |")
    for n, k in shapes:
        moved = n * k * (0.516 + 2)  # codes, nested scales, 16-bit results
        key = f"dequantize nf4 to {name} {n}x{k}"
        if key in times:
            speed = moved / times[key] / 1e6
            print(f"| peft4j {n}x{k} | {times[key]:.4f} | {speed:.0f} | {speed / copy:.2f} |")
        else:
            missing.append(key)
        if bnb:
            packed, state = quantized(random(n, k))
            theirs = timed(lambda: bnb.dequantize_4bit(packed, state))
            speed = moved / theirs / 1e6
            print(f"| bitsandbytes {n}x{k} | {theirs:.4f} | {speed:.0f} | {speed / copy:.2f} |")
    if missing:
        print("\nThe report has no figure of: " + "; ".join(missing))
        sys.exit(1)


if __name__ == "__main__":
    main()
