"""Keys and defaults of peft's config classes, and the names that adapters' tensors have in live models and in files.

    python peft-core/src/test/python/make_adapter_keys.py

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21), writes src/test/resources/golden/adapter_keys.json:
    {"task_types": [every task type that peft knows],
     "keys": {peft_type: {key: default}},
     "names": {case: {name in the live model's state_dict(), adapter "mine": name in the file}}}
"""

import dataclasses
import json
import warnings

import torch
from peft import TaskType, get_peft_model, get_peft_model_state_dict
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from transformers import AutoModelForSequenceClassification

from tiny import GOLDEN, write_json

TYPES = ["LORA", "ADALORA", "IA3", "VERA", "LOHA", "LOKR", "LN_TUNING", "PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING"]

QV = dict(target_modules=["query", "value"])
CASES = {
    "lora": ("LORA", dict(**QV)),
    "dora": ("LORA", dict(use_dora=True, target_modules=["query", "word_embeddings"])),
    "bias": ("LORA", dict(lora_bias=True, **QV)),
    "saved": ("LORA", dict(task_type="SEQ_CLS", **QV)),
    "adalora": ("ADALORA", dict(total_step=10, **QV)),
    "ia3": ("IA3", dict(target_modules=["query"], feedforward_modules=[])),
    "vera": ("VERA", dict(r=4, **QV)),
    "loha": ("LOHA", dict(**QV)),
    "lokr": ("LOKR", dict(r=2, decompose_both=True, **QV)),
    "ln": ("LN_TUNING", dict(target_modules=["LayerNorm"])),
}


def default(field):
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
        return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
    return getattr(field.default, "value", field.default)


def names(peft_type, settings):
    base = AutoModelForSequenceClassification.from_pretrained(GOLDEN / "encoders" / "bert")
    model = get_peft_model(base, PEFT_TYPE_TO_CONFIG_MAPPING[peft_type](**settings), adapter_name="mine")
    live = model.state_dict()
    for i, tensor in enumerate(live.values()):
        tensor.data.fill_(i)  # so that a value tells which is which
    found = {}
    for name, value in get_peft_model_state_dict(model, adapter_name="mine", save_embedding_layers=False).items():
        number = value.flatten()[0].item()
        same = [k for k, v in live.items() if "mine" in k and v.flatten()[0].item() == number]
        found[min(same, key=len)] = name  # VeRA's factors are at each layer too
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    keys = {t: {f.name: default(f) for f in dataclasses.fields(PEFT_TYPE_TO_CONFIG_MAPPING[t])} for t in TYPES}
    write_json(GOLDEN / "adapter_keys.json", {
        "task_types": [t.value for t in TaskType],
        "keys": json.loads(json.dumps(keys)),
        "names": {case: names(*what) for case, what in CASES.items()}})
