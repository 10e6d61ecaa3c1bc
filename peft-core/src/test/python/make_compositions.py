"""Compositions of bottlenecks, run and saved by the adapters library itself.

    PYTHONPATH=ADAPTERS/src python peft-core/src/test/python/make_compositions.py        (see library.py)

Writes src/test/resources/golden/compositions/NAME/: the bottlenecks' folders (a, b, ..), for a fusion its folder
(NAMES with commas), as the library saves them, grads.safetensors of what is trained (of a stack all bottlenecks, with
their names in front; of a fusion itself and the head), and golden.json as make_methods.py has it, with "adapters",
"composition", of an average "weights", and of a fusion "regularization", what the library's trainer adds to the loss.
"""

import os
import shutil

import library  # noqa: F401  (first)
import adapters
import torch
from adapters.composition import Average, Fuse, Stack
from safetensors.torch import save_file

from make_bottleneck import HOULSBY, PARALLEL, PFEIFFER
from make_methods import ENCODERS, decoder_golden, encoder_golden, load
from tiny import GOLDEN, numbers, write_json

ROOT = GOLDEN / "compositions"
OLD = dict(query_before_ln=True, residual_before=True, value_before_softmax=False, value_initialized=False,
           regularization=False, key=False)

# name: (base, composition, bottlenecks, settings)
COMPOSITIONS = {
    "stack-bert": ("bert-no-dropout", Stack, [PFEIFFER, HOULSBY], {}),
    "stack-llama": ("llama", Stack, [HOULSBY, PFEIFFER], {}),
    "average-bert": ("bert-no-dropout", Average, [PFEIFFER, PFEIFFER, PFEIFFER | dict(reduction_factor=4)], {"weights": [0.5, 0.2, 0.3]}),
    "average-llama": ("llama", Average, [HOULSBY, HOULSBY], {"weights": [1.5, -0.5]}),
    "fuse-bert": ("bert-no-dropout", Fuse, [PFEIFFER, PFEIFFER], {}),
    "fuse-three-bert": ("bert-no-dropout", Fuse, [HOULSBY, HOULSBY, HOULSBY | dict(reduction_factor=4)], {}),
    "fuse-static-bert": ("bert-no-dropout", Fuse, [PFEIFFER, PFEIFFER], dict(value=False, regularization=False)),
    "fuse-old-bert": ("bert-no-dropout", Fuse, [PFEIFFER, PFEIFFER], OLD),
    "fuse-parallel-bert": ("bert-no-dropout", Fuse, [PARALLEL, PARALLEL], {}),
    "fuse-distilbert": ("distilbert-no-dropout", Fuse, [HOULSBY, HOULSBY], {}),
    "fuse-llama": ("llama", Fuse, [PFEIFFER, PFEIFFER], {}),
}


def composed(model, kind, names, settings):
    if kind is Average:
        # Its mean divides by the number of adapters once more.
        weights = [len(names) * w for w in settings["weights"]]
        return Average(*names, weights=weights, normalize_weights=False)
    setup = kind(*names)
    if kind is Fuse:
        model.add_adapter_fusion(setup, adapters.AdapterFusionConfig.load("dynamic", **settings))
    return setup


def one(name, base, kind, configs, settings, seed):
    torch.manual_seed(seed)
    encoder = base in ENCODERS
    model = load(base)
    adapters.init(model)
    names = ["a", "b", "c"][:len(configs)]
    for adapter, config in zip(names, configs):
        model.add_adapter(adapter, adapters.BnConfig(**config))
    setup = composed(model, kind, names, settings)
    model.set_active_adapters(setup)
    model.eval()
    trained = {}
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            mine = ".adapter_fusion_layer." in key
            if mine or ".adapters." in key or (kind is Fuse and key.startswith(("classifier", "pre_classifier"))):
                parameter.add_(0.2 * torch.randn(parameter.shape))
            parameter.requires_grad_(
                mine or key.startswith(("classifier", "pre_classifier")) if kind is Fuse
                else kind is Stack and ".adapters." in key)
            if parameter.requires_grad:
                trained[key] = parameter
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for adapter in names:
        model.save_adapter(str(folder / adapter), adapter, with_head=False, use_safetensors=True)
    extra = {}
    if kind is Fuse:
        model.save_adapter_fusion(str(folder / ",".join(names)), setup, use_safetensors=True)
        if encoder:  # with_head=True wants one of the library's own heads
            model.save_head(str(folder / ",".join(names)), use_safetensors=True)
        extra["regularization"] = float(model.base_model.get_fusion_regularization_loss() or 0) if settings.get(
            "regularization", True) else 0.0
    if not encoder:
        model.generation_config.use_cache = False  # with transformers 4.57 the library's Llama loses its cache
    golden, loss, _ = encoder_golden(model, base, False) if encoder else decoder_golden(model, seed)
    if trained:
        loss.backward()
        unseen = [k for k, v in trained.items() if v.grad is None]
        assert not unseen, unseen
        save_file({k: v.grad for k, v in trained.items()}, folder / "grads.safetensors")
    write_json(folder / "golden.json", {
        "base": f"{'encoders' if encoder else 'decoders'}/{base}", "composition": kind.__name__.lower(),
        "adapters": names, **({"weights": settings["weights"]} if kind is Average else {}), **extra,
        "trainable": sum(v.numel() for v in trained.values()), "loss": numbers(loss), **golden})


def main():
    os.chdir(GOLDEN)
    for i, (name, arguments) in enumerate(COMPOSITIONS.items()):
        print(name, flush=True)
        one(name, *arguments, 13000 + 10 * i)


if __name__ == "__main__":
    main()
