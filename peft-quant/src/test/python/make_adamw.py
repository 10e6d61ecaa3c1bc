"""Ten steps of bitsandbytes' AdamW8bit on the CPU: weights and state, to the byte.

    python make_adamw.py OUTPUT_DIR     # needs what make_goldens.py needs; writes OUTPUT_DIR/adamw8bit.safetensors

The optimizer is bnb.optim.AdamW8bit itself (its CPU backend: states decoded, torch's arithmetic in float32, states encoded
again). Weights and gradients are drawn as in make_goldens.py: a tensor's weights with its seed, the gradients of step t with
seed + t. Keys: NAME.weight, NAME.state1, NAME.state2, and where these are bytes NAME.absmax1, NAME.absmax2.
"""

import sys
from pathlib import Path

import bitsandbytes as bnb
import torch
from safetensors.torch import save_file

from make_goldens import draw

STEPS = 10
SETTINGS = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
SPREAD = 0.02 / 37837
CASES = {  # seed, elements, pattern of the gradients
    "normal": (100, 12345, "normal"),
    "heavy": (200, 4096, "heavy"),
    "zeros": (300, 8000, "zeros"),
    "mixed": (400, 9001, "mixed"),
    "small": (500, 4095, "normal"),  # which stays in float32
}


def drawn(seed, n, pattern):
    return draw(dict(shape=(n,), seed=seed, block=256, pattern=pattern, scale=SPREAD, dtype="float32"))


def main(out):
    parameters = {name: torch.nn.Parameter(drawn(seed, n, "normal")) for name, (seed, n, _) in CASES.items()}
    optimizer = bnb.optim.AdamW8bit(parameters.values(), **SETTINGS)
    for t in range(1, STEPS + 1):
        for name, (seed, n, pattern) in CASES.items():
            parameters[name].grad = drawn(seed + t, n, pattern)
        optimizer.step()
    tensors = {}
    for name, parameter in parameters.items():
        state = optimizer.state[parameter]
        assert (state["state1"].dtype == torch.float32) == (name == "small")
        tensors[f"{name}.weight"] = parameter.detach()
        for key in ("state1", "state2", "absmax1", "absmax2"):
            if key in state:
                tensors[f"{name}.{key}"] = state[key]
    save_file(tensors, out / "adamw8bit.safetensors")
    print({name: list(tensor.shape) for name, tensor in tensors.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
