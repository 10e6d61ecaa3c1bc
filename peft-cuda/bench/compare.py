"""Times torch's dense products and bitsandbytes' 4-bit ones on the GPU, and prints them beside the
figures of a `GpuDoctor --bench` report (its path is the argument) as Markdown tables."""

import re
import sys

import torch

try:
    import bitsandbytes.functional as bnb
    from bitsandbytes import matmul_4bit
except ImportError as problem:
    bnb = None
    print(f"bitsandbytes is left out: {problem}")

RUNS = 50
ROWS = (1, 16, 512, 4096)
SHAPES = ((4096, 4096), (11008, 4096))


def milliseconds(work):
    for _ in range(5):
        work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(RUNS):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / RUNS


def ours(report):
    """Milliseconds by name, of the lines that were only timed."""
    times = {}
    for line in report:
        found = re.match(r"  ok +(.+?)  +timed only +([\d.]+) ms", line)
        if found:
            times[found.group(1)] = float(found.group(2))
    return times


def cell(value):
    return "" if value is None else f"{value:.4f}"


def ratio(a, b):
    return "" if a is None or b is None else f"{a / b:.2f}"


def main():
    with open(sys.argv[1], encoding="utf-8") as report:
        times = ours(report)
    dtype = torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    name = "bfloat16" if dtype == torch.bfloat16 else "float16"
    print(f"\n{torch.cuda.get_device_name()}, torch {torch.__version__}, {name}\n")

    print("| product | peft4j nf4 + rank 16 ms | torch dense ms | bitsandbytes nf4 ms | torch / peft4j |")
    print("|---|---|---|---|---|")
    for n, k in SHAPES:
        weight = torch.randn(n, k, device="cuda", dtype=dtype) * 0.02
        packed = state = None
        if bnb:
            packed, state = bnb.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        for rows in ROWS:
            x = torch.randn(rows, k, device="cuda", dtype=dtype)
            dy = torch.randn(rows, n, device="cuda", dtype=dtype)
            products = (
                ("multiply", lambda: x @ weight.t(), lambda: matmul_4bit(x, packed.t(), state)),
                (
                    "input gradient",
                    lambda: dy @ weight,
                    lambda: dy @ bnb.dequantize_4bit(packed, state),
                ),
            )
            for operation, dense, quantized in products:
                key = f"{operation} {name} {rows} rows, {n}x{k}, rank 16"
                mine, theirs = times.get(key), milliseconds(dense)
                bits = milliseconds(quantized) if bnb else None
                row = (key, cell(mine), cell(theirs), cell(bits), ratio(theirs, mine))
                print("| " + " | ".join(row) + " |")

    print("\n| dequantize | ms | GB/s | share of a device copy |")
    print("|---|---|---|---|")
    half = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(half)
    copy = 2 * half.numel() / milliseconds(lambda: other.copy_(half)) / 1e6
    print(f"| torch device copy | | {copy:.0f} | 1.00 |")
    for n, k in SHAPES:
        moved = n * k * (0.516 + 2)  # codes, nested scales, 16-bit results
        mine = times.get(f"dequantize nf4 to {name} {n}x{k}")
        if mine:
            speed = moved / mine / 1e6
            print(f"| peft4j {n}x{k} | {mine:.4f} | {speed:.0f} | {speed / copy:.2f} |")
        if bnb:
            weight = torch.randn(n, k, device="cuda", dtype=dtype)
            packed, state = bnb.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
            theirs = milliseconds(lambda: bnb.dequantize_4bit(packed, state))
            speed = moved / theirs / 1e6
            print(f"| bitsandbytes {n}x{k} | {theirs:.4f} | {speed:.0f} | {speed / copy:.2f} |")


if __name__ == "__main__":
    main()
