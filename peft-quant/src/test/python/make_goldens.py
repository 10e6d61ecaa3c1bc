"""Writes the golden files of peft-quant: what bitsandbytes' CPU backend makes of known tensors.

Inputs are not stored: both sides draw them from the integer generator below, whose every step is
exact (integers, one float32 multiplication, one rounding to the target type).

    python make_goldens.py OUTPUT_DIR     # needs torch, numpy, safetensors, bitsandbytes >= 0.50.2

Made with torch 2.13.0 (one thread) and bitsandbytes 95f9af3 built by GCC 12 for x86-64.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # the functions run as written, and at once

import bitsandbytes as bnb
import numpy as np
import torch
from bitsandbytes import functional as F
from bitsandbytes.backends.default import ops as default_ops
from safetensors.torch import save_file

torch.set_num_threads(1)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def mix(seed, n):
    """SplitMix64 at the counters 1..n."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def draw(case):
    """The tensor a case describes: a sum of four 16-bit integers, centred, times a float32 scale."""
    n = int(np.prod(case["shape"]))
    z = mix(case["seed"], n)
    field = lambda k: ((z >> np.uint64(16 * k)) & np.uint64(0xFFFF)).astype(np.int64)
    v = (field(0) + field(1) + field(2) + field(3) - 131070).astype(np.float32)
    x = v * np.float32(case["scale"])
    i = np.arange(n)
    block = i // case["block"]
    pattern = case["pattern"]
    if pattern == "heavy":  # one in 64 is 32 times as large
        x = np.where(field(3) % 64 == 0, x * np.float32(32), x)
    elif pattern == "zeros":  # every third block is zero
        x = np.where(block % 3 == 0, np.float32(0), x)
    elif pattern == "mixed":  # blocks of very different scale
        x = x * np.exp2(block % 41 - 20).astype(np.float32)
    elif pattern == "ties":  # exactly on thresholds
        code = np.sort(F.get_4bit_type(case["type"], "cpu").numpy())
        mid = (code[:-1] + code[1:]) / np.float32(2)
        x = np.where(i % 32 == 0, np.float32(1), mid[field(0) % 15]) * np.float32(0.25)
    elif pattern == "nonnegative":
        x = np.abs(x)
    x = x.astype(np.float32)
    return torch.from_numpy(x).reshape(case["shape"]).to(DTYPES[case["dtype"]])


def digest(tensor):
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(raw).hexdigest()[:32]


SHAPES = [(1,), (3,), (33,), (5, 7), (64, 64), (129, 65), (48, 100), (2, 3, 5, 7), (301, 177), (1, 4097), (96, 320),
          (7, 96), (4096,), (31, 31), (256, 130), (65, 64)]
SCALES = [1 / 37837, 0.02 / 37837, 1e-30, 5e-44, 2.4e33, 3.0, 1e-6]
PATTERNS = ["normal", "heavy", "zeros", "mixed", "ties", "normal"]
# what float16 can hold, and bfloat16 alike
SCALES_16 = [1 / 37837, 0.02 / 37837, 0.4, 2e-12, 1e-9]


def four_bit_cases():
    k = 0
    for block in (32, 64, 128, 256, 512, 1024, 2048, 4096):
        for quant_type in ("nf4", "fp4"):
            for double in (False, True):
                for _ in range(8):
                    dtype = list(DTYPES)[k % 3]
                    pattern = PATTERNS[(k * 5 + k // 7) % len(PATTERNS)]
                    scales = SCALES if dtype == "float32" and pattern in ("normal", "zeros") else SCALES_16
                    scale = scales[(k // 3 + k // 11) % len(scales)]
                    if pattern in ("mixed", "heavy") and dtype == "float16":
                        scale = 1e-9
                    if double and scale > 1e30:
                        scale = 1e30  # the sum of the scales must stay in range
                    yield dict(kind="4bit", type=quant_type, block=block, double=double, dtype=dtype,
                               shape=SHAPES[(k * 7 + k // 16) % len(SHAPES)], seed=1000 + k, pattern=pattern, scale=scale)
                    k += 1
    for quant_type, block, shape in (("nf4", 64, (1601, 1024)), ("nf4", 32, (1300, 1024)), ("fp4", 64, (2100, 1024))):
        yield dict(kind="4bit", type=quant_type, block=block, double=True, dtype="float32", shape=shape,
                   seed=2000 + block, pattern="normal", scale=0.02 / 37837)


def finish_four_bit(case):
    x = draw(case)
    packed, state = F.quantize_4bit(x, blocksize=case["block"], compress_statistics=case["double"],
                                    quant_type=case["type"])
    parts = state.as_dict(packed=True)
    scale_hex = lambda t: digest(t)
    case["codes"] = digest(packed)
    case["absmax"] = scale_hex(state.absmax)
    case["json"] = bytes(parts[f"quant_state.bitsandbytes__{case['type']}"].tolist()).decode()
    absmax = state.absmax
    if case["double"]:
        case["nested_absmax"] = scale_hex(state.state2.absmax)
        case["offset"] = np.float32(state.offset.item()).view(np.uint32).item()
        absmax = F.dequantize_blockwise(state.absmax, state.state2) + state.offset
    # The generic decoder: the AVX-512 one mistakes scales where a row is no whole number of blocks.
    decode = default_ops._dequantize_4bit_compute.__wrapped__
    for name, dtype in DTYPES.items():
        values = decode(packed.reshape(-1), absmax, state.code, case["block"], x.shape, dtype)
        case["as_" + name] = digest(values)
    native = F.dequantize_4bit(packed, state)
    case["native_decodes_alike"] = bool(torch.equal(
        native.reshape(-1), decode(packed.reshape(-1), absmax, state.code, case["block"], x.shape, x.dtype).reshape(-1)))
    return case


def dynamic_cases():
    k = 0
    for signed in (True, False):
        for block in (32, 256, 2048, 4096):
            for dtype in DTYPES:
                for _ in range(2):
                    scales = SCALES if dtype == "float32" else SCALES_16
                    pattern = "nonnegative" if not signed else ["normal", "zeros", "mixed"][k % 3]
                    scale = scales[k % len(scales)]
                    if pattern == "mixed":
                        scale = 1e-9
                    yield dict(kind="dynamic", signed=signed, block=block, dtype=dtype,
                               shape=SHAPES[(k * 5) % len(SHAPES)], seed=5000 + k, pattern=pattern, scale=scale)
                    k += 1


def finish_dynamic(case):
    x = draw(case)
    codes, state = F.quantize_blockwise(x, code=F.create_dynamic_map(case["signed"]), blocksize=case["block"])
    case["codes"], case["absmax"] = digest(codes), digest(state.absmax)
    case["as_float32"] = digest(F.dequantize_blockwise(codes, absmax=state.absmax, code=state.code,
                                                       blocksize=case["block"]))
    return case


def int8_cases():
    for k in range(36):
        dtype = list(DTYPES)[k % 3]
        shape = [(1, 5), (3, 64), (64, 33), (100, 256), (17, 1), (130, 70)][k // 6]
        yield dict(kind="int8", dtype=dtype, shape=shape, seed=7000 + k, block=64, scale=(1 / 37837, 0.02 / 37837, 0.01)[k % 3],
                   pattern=["normal", "heavy", "zeros"][k % 2 + (k % 5 == 0)],
                   threshold=0.0 if k % 4 else 2.5 * 37837 * (1 / 37837, 0.02 / 37837, 0.01)[k % 3])


def finish_int8(case):
    x = draw(case)
    case["threshold"] = float(np.float32(case["threshold"]))
    half = x.to(torch.float16)
    assert torch.isfinite(half).all(), case
    codes, stats, columns = F.int8_vectorwise_quant(half.clone(), case["threshold"])
    if case["threshold"] == 0:
        module_weight = bnb.nn.Int8Params(x, requires_grad=False).to("cpu")
        assert torch.equal(module_weight.data, codes) and torch.equal(module_weight.SCB, stats)
    case["codes"], case["absmax"] = digest(codes), digest(stats)
    case["columns"] = [] if columns is None else columns.tolist()
    case["as_float32"] = digest(F.int8_vectorwise_dequant(codes, stats))
    return case


def mean_cases():
    for n in [*range(1, 70, 3), 100, 255, 256, 257, 1000, 1024, 4095, 5000, 16384, 30001, 32768, 65536, 100003]:
        yield dict(kind="mean", dtype="float32", shape=(n,), seed=9000 + n, block=64, pattern="nonnegative", scale=1 / 37837)


def finish_mean(case):
    case["mean"] = draw(case).mean().numpy().view(np.uint32).item()
    return case


def layout(path):
    """A file as transformers writes it: Linear4bit and Linear8bitLt state dicts."""
    tensors = {}
    for name, quant_type, double, dtype, shape in (
        ("plain.nf4", "nf4", False, "float32", (32, 48)),
        ("plain.fp4", "fp4", False, "bfloat16", (33, 7)),
        ("nested.nf4", "nf4", True, "float16", (130, 192)),
        ("nested.fp4", "fp4", True, "bfloat16", (64, 96)),
    ):
        x = draw(dict(shape=shape, seed=11, block=64, pattern="normal", scale=0.02 / 37837, dtype=dtype))
        layer = bnb.nn.Linear4bit(shape[1], shape[0], bias=False, compress_statistics=double, quant_type=quant_type)
        layer.weight = bnb.nn.Params4bit(x, requires_grad=False, compress_statistics=double, quant_type=quant_type)
        layer.to("cpu")
        tensors.update({f"{name}.{k}": v.contiguous() for k, v in layer.state_dict().items()})
    x = draw(dict(shape=(24, 40), seed=11, block=64, pattern="normal", scale=0.02 / 37837, dtype="float32"))
    layer = bnb.nn.Linear8bitLt(40, 24, bias=False, has_fp16_weights=False)
    layer.weight = bnb.nn.Int8Params(x, requires_grad=False)
    layer.to("cpu")
    tensors.update({f"int8.{k}": v.contiguous() for k, v in layer.state_dict().items()})
    save_file(tensors, path, metadata={"format": "pt"})


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    makers = [(four_bit_cases, finish_four_bit), (dynamic_cases, finish_dynamic), (int8_cases, finish_int8),
              (mean_cases, finish_mean)]
    alike = broken = 0
    with open(out / "goldens.jsonl", "w") as file:
        for cases, finish in makers:
            for case in cases():
                case["scale"] = float(np.float32(case["scale"]))
                x = draw(case)
                assert torch.isfinite(x).all(), case
                done = finish(case)
                alike += done.get("native_decodes_alike", 0)
                broken += not done.pop("native_decodes_alike", True)
                file.write(json.dumps(done) + "\n")
    layout(out / "bnb-layout.safetensors")
    print(f"the native decoder agreed with the generic one in {alike} cases, not in {broken}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
