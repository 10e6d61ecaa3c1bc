"""LoRA adapters that Hugging Face peft combines, with the logits of what it makes.

    python peft-core/src/test/python/make_weighted.py        (after make_encoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Writes src/test/resources/golden/weighted/:
a, b, c     adapters; c has another rank
golden.json {"base", "inputs", "cases": [{"name", "type", "adapters", "weights", "density", "svd_rank", "svd_clamp",
            "frequency", "logits"}]}; what DARE drops is drawn after torch.manual_seed(7)
"""

import os
import shutil
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSequenceClassification

from make_lora import randomize_adapter
from tiny import GOLDEN, numbers, tensors, write_json
from make_lora import cases as base_cases

ROOT = GOLDEN / "weighted"
BASE = "encoders/bert"
SETTINGS = {
    "a": dict(r=4, lora_alpha=6, target_modules=["query", "value"]),
    "b": dict(r=4, lora_alpha=8, target_modules=["query", "intermediate.dense"]),
    "c": dict(r=2, lora_alpha=8, target_modules=["query", "key"], use_rslora=True),
}
TYPES = ["cat", "linear", "svd", "ties", "ties_svd", "dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd",
         "magnitude_prune", "magnitude_prune_svd"]


def load():
    return AutoModelForSequenceClassification.from_pretrained(BASE).eval()


def wanted():
    for kind in TYPES:
        yield dict(name=kind, type=kind, adapters=["a", "b"], weights=[0.7, 1.2], density=0.5)
        yield dict(name=f"{kind}-negative", type=kind, adapters=["a", "b"], weights=[1.0, -0.6], density=0.8)
    yield dict(name="cat-ranks", type="cat", adapters=["a", "b", "c"], weights=[0.5, 1.0, -1.5], density=1.0)
    yield dict(name="svd-ranks", type="svd", adapters=["a", "c"], weights=[0.5, 1.0], density=1.0, svd_rank=3)
    yield dict(name="svd-clamp", type="svd", adapters=["a", "b"], weights=[0.5, 1.0], density=1.0, svd_clamp=0.9)
    yield dict(name="ties-frequency", type="ties", adapters=["a", "b"], weights=[0.5, 1.0], density=0.6, frequency=True)
    yield dict(name="one", type="svd", adapters=["b"], weights=[0.5], density=1.0)


def main():
    os.chdir(GOLDEN)
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, (name, settings) in enumerate(SETTINGS.items()):
        torch.manual_seed(i)
        model = get_peft_model(load(), LoraConfig(**settings)).eval()
        randomize_adapter(model, 500 + i)
        model.save_pretrained(ROOT / name)
        (ROOT / name / "README.md").unlink()
    inputs = base_cases("bert")[1]["inputs"]
    results = []
    for case in wanted():
        model = PeftModel.from_pretrained(load(), ROOT / "a", adapter_name="a")
        for other in "bc":
            model.load_adapter(ROOT / other, adapter_name=other)
        tuner = model.base_model
        inject = tuner.inject_adapter

        def inject_then_seed(*args, **kwargs):
            inject(*args, **kwargs)
            torch.manual_seed(7)

        tuner.inject_adapter = inject_then_seed
        tuner.add_weighted_adapter(
            case["adapters"], case["weights"], "mixed", combination_type=case["type"], density=case["density"],
            svd_rank=case.get("svd_rank"), svd_clamp=case.get("svd_clamp"),
            majority_sign_method="frequency" if case.get("frequency") else "total")
        tuner.set_adapter("mixed")
        model.eval()
        with torch.no_grad():
            logits = model(**tensors(inputs)).logits
        results.append(case | {"logits": numbers(logits)})
    write_json(ROOT / "golden.json", {"base": BASE, "inputs": inputs, "cases": results})


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
