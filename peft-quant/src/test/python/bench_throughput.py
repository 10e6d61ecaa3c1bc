"""Prints how fast bitsandbytes' CPU backend quantizes and dequantizes; see ThroughputBench.java.

OMP_NUM_THREADS=2 python bench_throughput.py
"""

import time

import bitsandbytes as bnb
import torch
from bitsandbytes import functional as F

EXTENT, RUNS = 2048, 15


def report(what, nbytes, work):
    seconds = []
    for i in range(-5, RUNS):
        start = time.perf_counter()
        work()
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    seconds.sort()
    print(f"{what:28s} best {nbytes / seconds[0] / 1e9:6.2f} GB/s  median {nbytes / seconds[RUNS // 2] / 1e9:6.2f} GB/s",
          flush=True)


print(f"bitsandbytes {bnb.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads")
torch.manual_seed(1)
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    name = str(dtype).removeprefix("torch.")
    weight = (torch.randn(EXTENT, EXTENT) * 0.02).to(dtype)
    nbytes = weight.nbytes
    for quant in ("nf4", "fp4"):
        packed, state = F.quantize_4bit(weight, quant_type=quant)
        report(f"{quant} quantize   {name}", nbytes, lambda: F.quantize_4bit(weight, quant_type=quant))
        report(f"{quant} dequantize {name}", nbytes, lambda: F.dequantize_4bit(packed, state))
    if dtype == torch.float16:
        codes, stats, _ = F.int8_vectorwise_quant(weight)
        report(f"int8 quantize   {name}", nbytes, lambda: F.int8_vectorwise_quant(weight))
        report(f"int8 dequantize {name}", nbytes, lambda: F.int8_vectorwise_dequant(codes, stats).to(dtype))
