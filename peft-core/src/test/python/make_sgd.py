"""Ten steps of torch.optim.SGD with momentum, for an optimizer that is not the library's.

    python peft-core/src/test/python/make_sgd.py

needs torch (made with 2.13). Writes src/external/resources/org/example/sgd/golden.json: the settings, and of each
parameter, decayed or not, its values at the start, the gradients and the values after each step. The rate changes
from step to step; the gradients are as they come, before the factor of the step (clipping).
"""

import torch

from tiny import GOLDEN, numbers, write_json

ROOT = GOLDEN.parents[2] / "external" / "resources" / "org" / "example" / "sgd"
STEPS, MOMENTUM, DAMPENING, DECAY = 10, 0.9, 0.1, 0.05


def main():
    torch.manual_seed(17)
    parameters = {"a.weight": torch.randn(2, 4), "a.bias": torch.randn(3)}
    found = {"momentum": MOMENTUM, "dampening": DAMPENING, "weight_decay": DECAY, "rates": [], "scales": []}
    found["start"] = {name: numbers(values.flatten()) for name, values in parameters.items()}
    found["gradients"], found["after"] = [], []
    groups = [
        {"params": [parameters["a.weight"]], "weight_decay": DECAY},
        {"params": [parameters["a.bias"]], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=1.0, momentum=MOMENTUM, dampening=DAMPENING)
    for step in range(STEPS):
        rate, scale = 0.1 * (1 - step / STEPS), 1.0 if step % 2 else 0.25
        found["rates"].append(rate)
        found["scales"].append(scale)
        gradients = {name: torch.randn_like(values) for name, values in parameters.items()}
        for group in optimizer.param_groups:
            group["lr"] = rate
        for name, values in parameters.items():
            values.grad = gradients[name] * scale
        optimizer.step()
        found["gradients"].append({name: numbers(values.flatten()) for name, values in gradients.items()})
        found["after"].append({name: numbers(values.flatten()) for name, values in parameters.items()})
    write_json(ROOT / "golden.json", found)


if __name__ == "__main__":
    main()
