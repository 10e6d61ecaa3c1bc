"""Writes the goldens of io.peft4j.safetensors with the reference packages.

Usage: python safetensors_goldens.py [FOLDER]   (default: the test resources beside this script)
Made with safetensors 0.8.0, torch 2.13, huggingface_hub; other versions should give the same bytes.
"""

import sys
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

here = Path(__file__).resolve().parent
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "../resources/io/peft4j/safetensors"
folder.mkdir(parents=True, exist_ok=True)

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}

# all types: six values 0..5 as [2, 3]; the names are not in the order of the file
tensors = {f"t.{name}": torch.arange(6).reshape(2, 3).to(dtype) for name, dtype in DTYPES.items()}
tensors["t.BOOL"] = torch.tensor([True, False, True])
# of these, only the codes matter here
tensors["t.F8_E8M0"] = torch.arange(6, dtype=torch.uint8).view(torch.float8_e8m0fnu)
tensors["t.F4"] = torch.arange(6, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
tensors["scalar"] = torch.tensor(1.5)
tensors["empty"] = torch.zeros(0, 3, dtype=torch.int16)
# names that JSON must escape, and two that String.compareTo orders otherwise than UTF-8 bytes do
tensors['é"\\\n\x01\x1f/\x7f'] = torch.tensor([1.0])
tensors["\uffff"] = torch.tensor([2.0])
tensors["\U0001f600"] = torch.tensor([3.0])
save_file(tensors, folder / "all.safetensors", metadata={"format": "pt"})

save_file({"w": torch.tensor([1, 2, 3], dtype=torch.uint8)}, folder / "plain.safetensors")
# every code of the 8-bit floats beside its value
codes = torch.arange(256, dtype=torch.uint8)
eights = {n: codes.clone().view(t) for n, t in DTYPES.items() if n.startswith("F8")}
save_file(eights | {f"{n}.values": t.float() for n, t in eights.items()}, folder / "float8.safetensors")

save_file({}, folder / "none.safetensors", metadata={"note": "é\x02"})

# sharded: 16-byte limit; b is larger than that and gets its own shard
state = {
    "a": torch.tensor([1.0, 2.0]), "b": torch.arange(6, dtype=torch.float32), "é": torch.tensor([3.0]),
    "d": torch.tensor([4.0, 5.0]), "e": torch.tensor([6], dtype=torch.int64),
}
(folder / "sharded").mkdir(exist_ok=True)
save_torch_state_dict(state, folder / "sharded", max_shard_size=16)
