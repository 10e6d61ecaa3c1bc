"""Compares the goldens of make_bottleneck.py with what the adapters library itself makes of their folders.

    PYTHONPATH=ADAPTERS/src python peft-core/src/test/python/check_bottleneck.py        (see library.py)

Loads each bottleneck-NAME folder into that library, compares logits, loss and gradients with golden.json and
grads.safetensors, and saves it again: the same tensors under the same names, and the same documents. Prints a line
for each, and fails where something differs by more than 1e-5.
"""

import json
import os
import tempfile
from pathlib import Path

import library  # noqa: F401  (first)
import adapters
import torch
from safetensors.torch import load_file

from make_bottleneck import ADAPTERS
from make_methods import ENCODERS, ROOT, decoder_golden, encoder_golden, load
from tiny import GOLDEN


def largest(a, b):
    return max((torch.as_tensor(x) - torch.as_tensor(y)).abs().max().item() for x, y in zip(a, b, strict=True))


def check(folder, seed):
    expected = json.loads((folder / "golden.json").read_text())
    base = expected["base"].split("/")[1]
    model = load(base)
    adapters.init(model)
    model.load_adapter(str(folder), use_safetensors=True, set_active=True)
    model.eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".adapters." in name or name.startswith(("classifier", "pre_classifier")))
    if base in ENCODERS:
        golden, loss, _ = encoder_golden(model, base, False, expected["cases"])
        logits = largest([golden["logits"][c] for c in expected["cases"]],
                         [expected["logits"][c] for c in expected["cases"]])
    else:
        model.generation_config.use_cache = False  # with transformers 4.57 the library's Llama loses its cache
        golden, loss, logits = *decoder_golden(model, seed)[:2], 0.0
        assert golden["greedy"] == expected["greedy"]
    loss.backward()
    gradients = load_file(folder / "grads.safetensors")
    found = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert found.keys() == gradients.keys(), found.keys() ^ gradients.keys()
    relative = max(((found[k] - g).norm() / (g.norm() + 1e-6)).item() for k, g in gradients.items())
    off = abs(loss.item() / expected["loss"] - 1)
    print(f"{folder.name}: logits differ by {logits:.1e}, loss by {off:.1e}, gradients by {relative:.1e}", flush=True)
    assert logits < 1e-5 and off < 1e-5 and relative < 1e-4
    with tempfile.TemporaryDirectory() as saved:
        model.save_adapter(saved, "task", use_safetensors=True)
        for file in ("adapter.safetensors", "model_head.safetensors"):
            if (folder / file).exists():
                ours, theirs = load_file(folder / file), load_file(Path(saved) / file)
                assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours), file
        for file in ("adapter_config.json", "head_config.json"):
            if (folder / file).exists():
                ours, theirs = (json.loads((Path(f) / file).read_text()) for f in (folder, saved))
                theirs["model_name"] = ours["model_name"]  # a path
                assert ours == theirs, (file, ours, theirs)


def main():
    os.chdir(GOLDEN)
    for i, name in enumerate(ADAPTERS):
        check(ROOT / f"bottleneck-{name}", 12000 + 10 * i)


if __name__ == "__main__":
    main()
