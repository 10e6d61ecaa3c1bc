"""How far bfloat16 takes the reference from itself, for each adapter of make_methods.py and make_bottleneck.py.

    python peft-core/src/test/python/make_bfloat16.py        (after those)

Runs each in float32 and in bfloat16 (the base's weights and what is computed; peft keeps adapters in float32), and
writes src/test/resources/golden/bfloat16.json: {name: [outputs, gradients]}, each |bfloat16 - float32| / |float32| of
all logits and of all gradients as one vector. Gradients are null for prompts, which peft does not load to be trained.
"""

import json
import os
import warnings

import torch
from peft import PeftModel

import make_bottleneck
from make_methods import ENCODERS, ROOT, cases, load
from safetensors.torch import load_file
from tiny import GOLDEN, tensors, write_json


def adapted(name, base, dtype):
    folder = ROOT / name
    model = load(base).to(dtype)
    if name.startswith("bottleneck-"):
        make_bottleneck.add(model, json.loads((folder / "adapter_config.json").read_text())["config"])
        for file in ("adapter.safetensors", "model_head.safetensors"):
            if (folder / file).exists():
                model.load_state_dict(load_file(folder / file), strict=False)
        for key, parameter in model.named_parameters():
            parameter.requires_grad_("adapters." in key or key.startswith(("classifier", "pre_classifier")))
        return model.to(dtype).eval()
    prompted = name.startswith(("prefix", "prompt", "p-tuning"))
    model = PeftModel.from_pretrained(model, folder, is_trainable=not prompted)
    if hasattr(model.peft_config["default"], "orth_reg_weight"):
        model.peft_config["default"].orth_reg_weight = 0.0
    return model.eval()


def results(name, golden, dtype):
    base = golden["base"].split("/")[1]
    model = adapted(name, base, dtype)
    if base in ENCODERS:
        batch = tensors(next(c["inputs"] for c in cases(base) if c["name"] == golden["case"]))
        logits = model(**batch).logits.float()
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(golden["labels"]), reduction="sum")
        outputs = logits
    else:
        loss = model(**tensors(golden["inputs"]), labels=torch.tensor(golden["labels"])).loss
        ids = torch.tensor([[5, 9, 13, 4, 77, 30, 31]])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -7:].float()
        outputs = logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])
    trained = [p for n, p in model.named_parameters() if p.requires_grad and "ranknum" not in n]
    if not trained:
        return outputs.flatten(), None
    loss.backward()
    return outputs.flatten(), torch.cat([p.grad.float().flatten() for p in trained])


def distance(a, b):
    return None if a is None else ((a - b).norm() / b.norm()).item()


def main():
    warnings.filterwarnings("ignore")
    os.chdir(GOLDEN)
    found = {}
    for folder in sorted(ROOT.iterdir()):
        golden = json.loads((folder / "golden.json").read_text())
        exact, rounded = (results(folder.name, golden, t) for t in (torch.float32, torch.bfloat16))
        found[folder.name] = [distance(a, b) for a, b in zip(rounded, exact)]
        print(folder.name, found[folder.name], flush=True)
    write_json(GOLDEN / "bfloat16.json", found)


if __name__ == "__main__":
    main()
