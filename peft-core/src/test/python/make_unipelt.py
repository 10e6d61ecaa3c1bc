"""UniPELT and its parts, gated or not, run by the adapters library itself.

    PYTHONPATH=ADAPTERS python peft-core/src/test/python/make_unipelt.py        (see library.py)

Writes src/test/resources/golden/compositions/NAME/ as make_compositions.py does: a folder for each part (a, b, ..),
grads.safetensors of all of them, and golden.json. A gate is a mean over all of a row, padding included, in the
library; ours leaves padding out, so rows are of equal length. The library cannot save a prefix as safetensors: that
folder is written here, each tensor once, and read again by the library, which has to give the same.
"""

import os
import shutil

import library  # noqa: F401  (first)
import adapters
import torch
from adapters.composition import Stack
from safetensors.torch import save_file

from make_bottleneck import PFEIFFER
from make_compositions import ROOT
from make_decoders import padded, rows
from make_methods import ENCODERS, encoder_golden, load
from tiny import GOLDEN, numbers, tensors, write_json

LORA = adapters.LoRAConfig(r=3, use_gating=True)
PREFIX = adapters.PrefixTuningConfig(prefix_length=3, bottleneck_size=5, use_gating=True)
BOTTLENECK = adapters.BnConfig(**(PFEIFFER | dict(use_gating=True)))
FLAT = adapters.PrefixTuningConfig(prefix_length=4, flat=True, use_gating=True, shared_gating=False)
SEED = 15000
UNIPELT = [LORA, PREFIX, BOTTLENECK]

# name: (base, parts)
MIXES = {
    "unipelt-bert": ("bert-no-dropout", UNIPELT),
    "unipelt-distilbert": ("distilbert-no-dropout", UNIPELT),
    "unipelt-roberta": ("roberta-no-dropout", UNIPELT),
    "unipelt-llama": ("llama", UNIPELT),
    "prefixes-bert": ("bert-no-dropout", [FLAT, PREFIX.replace(use_gating=False)]),
    "prefixes-llama": ("llama", [FLAT, PREFIX.replace(use_gating=False)]),
    "lora-bert": ("bert-no-dropout", [adapters.LoRAConfig(r=3, alpha=5, attn_matrices=["q", "k", "v"], leave_out=[0])]),
}


def stacked(model, names):
    model.set_active_adapters(Stack(*names) if len(names) > 1 else names[0])
    return model.eval()


def once(key):
    """A tensor's own name, where the library has it as a part of some layer."""
    head, found, tail = key.partition(".prefix_tuning.pool.")
    return f"{head.split('.')[0]}.prefix_tuning.{tail}" if found else key


def save(model, folder, name, values):
    model.save_adapter(str(folder), name, with_head=False, use_safetensors=False)
    (folder / "pytorch_adapter.bin").unlink()
    own = {k: v.detach().clone() for k, v in values.items() if f".{name}." in k}
    save_file(own, folder / "adapter.safetensors", metadata={"format": "pt"})


def decoder(model, seed):
    batch = padded(rows(seed, (9, 9, 9)))
    labels = [[-100] * 3 + row[3:] for row in batch["input_ids"]]
    loss = model(**tensors(batch), labels=torch.tensor(labels)).loss * sum(len(row) - 3 for row in labels)
    return {"inputs": batch, "labels": labels}, loss


def one(name, base, parts, seed):
    torch.manual_seed(seed)
    encoder = base in ENCODERS
    model = load(base)
    adapters.init(model)
    names = ["a", "b", "c"][:len(parts)]
    for adapter, config in zip(names, parts):
        model.add_adapter(adapter, config)
    stacked(model, names)
    trained = {}
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            mine = any(f".{adapter}." in key for adapter in names)
            parameter.requires_grad_(mine)
            if mine:
                parameter.copy_(parameter + 0.3 * torch.randn(parameter.shape))
                trained[once(key)] = parameter
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    for adapter in names:
        (folder / adapter).mkdir(parents=True)
        save(model, folder / adapter, adapter, trained)
    again = load(base)
    adapters.init(again)
    for adapter in names:
        again.load_adapter(str(folder / adapter), use_safetensors=True)
    stacked(again, names)
    if encoder:
        golden, loss, logits = encoder_golden(model, base, ["unpadded"])
        differ = (encoder_golden(again, base, ["unpadded"])[2]["unpadded"] - logits["unpadded"]).abs().max().item()
        plain = (encoder_golden(load(base), base, ["unpadded"])[2]["unpadded"] - logits["unpadded"]).abs().max().item()
    else:
        golden, loss = decoder(model, seed)
        differ = (decoder(again, seed)[1] - loss).abs().item()
        plain = (decoder(load(base), seed)[1] - loss).abs().item()
    print(f"{name}: read again by the library, off by {differ:.1e}; without adapters, by {plain:.1e}", flush=True)
    assert differ < 1e-5 < 1e-2 < plain, name
    loss.backward()
    unseen = [k for k, v in trained.items() if v.grad is None]
    assert not unseen, unseen
    # A gradient that cancels to next to nothing says nothing but rounding.
    assert min(v.grad.norm().item() for v in trained.values()) > 2e-3, name
    save_file({k: v.grad for k, v in trained.items()}, folder / "grads.safetensors")
    write_json(folder / "golden.json", {
        "base": f"{'encoders' if encoder else 'decoders'}/{base}", "composition": "stack", "adapters": names,
        "trainable": sum(v.numel() for v in trained.values()), "loss": numbers(loss), **golden})


def main():
    os.chdir(GOLDEN)
    for i, (name, (base, parts)) in enumerate(MIXES.items()):
        one(name, base, parts, SEED + 10 * i)


if __name__ == "__main__":
    main()
