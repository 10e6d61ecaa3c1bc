"""LoRA adapters in every combination, saved by Hugging Face peft, with the logits it gives on the tiny encoders.

    python peft-core/src/test/python/make_lora.py        (after make_encoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Every trainable tensor is random and nonzero.
Writes src/test/resources/golden/lora/:
NAME/   one adapter: adapter_config.json, adapter_model.safetensors and golden.json
            {"base": folder under golden/, "trainable": parameter count, "logits": {case: rows}}
        the cases' inputs are those of the base's own golden.json (the bare encoder has "last_hidden_state" instead);
        some have merged.safetensors, tensors of the model after merge_and_unload, named as in a checkpoint
pair-NAME-NAME/  two adapters in sub-folders a and b on one base, and golden.json
            {"base", "logits": {"a": {case: rows}, "b": …, "ab": …}}: only a active, only b, both (in that order);
        merged.safetensors holds "a", "b", "ab": the first query weight with those merged
"""

import json
import os
import shutil
import warnings

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForSequenceClassification

from tiny import GOLDEN, numbers, tensors, write_json

ROOT = GOLDEN / "lora"
QV = ["query", "value"]
QUERY0 = "bert.encoder.layer.0.attention.self.query.weight"
WORDS = "bert.embeddings.word_embeddings.weight"


def lora(**settings):
    return dict(dict(r=4, lora_alpha=8, target_modules=QV), **settings)


SEQ_CLS = dict(task_type=TaskType.SEQ_CLS)
PATTERNS = dict(rank_pattern={"layer.0.attention.self.query": 2, "value": 6},
                alpha_pattern={"layer.1.attention.self.value": 3, r".*\.query": 5})

# name: (base, LoraConfig settings, names of merged tensors to keep)
ADAPTERS = {
    "bert-plain": ("bert", lora(), [QUERY0]),
    "bert-seq-cls": ("bert", lora(**SEQ_CLS), [QUERY0, "classifier.weight", "classifier.bias"]),
    "bert-rslora": ("bert", lora(use_rslora=True, **SEQ_CLS), [QUERY0]),
    "bert-dora": ("bert", lora(use_dora=True, **SEQ_CLS), [QUERY0]),
    "bert-patterns": ("bert", lora(**PATTERNS, **SEQ_CLS), [QUERY0]),
    "bert-patterns-rslora": ("bert", lora(use_rslora=True, **PATTERNS), [QUERY0]),
    "bert-patterns-dora": ("bert", lora(use_dora=True, **PATTERNS), [QUERY0]),
    # without a task type all-linear takes the classifier too; with SEQ_CLS it is trained whole
    "bert-all-linear": ("bert", lora(target_modules="all-linear", r=2), ["classifier.weight"]),
    "bert-all-linear-seq-cls": ("bert", lora(target_modules="all-linear", r=2, use_dora=True, **SEQ_CLS), [QUERY0]),
    "bert-regex": ("bert", lora(target_modules=r".*layer\.1\.attention\.self\.(query|key)"), []),
    "bert-modules-to-save": ("bert", lora(modules_to_save=["classifier", "pooler.dense"]), []),
    "bert-saved-norm": ("bert", lora(modules_to_save=["classifier", "embeddings.LayerNorm"]), []),
    "bert-bias-all": ("bert", lora(bias="all"), []),
    "bert-bias-all-seq-cls": ("bert", lora(bias="all", **SEQ_CLS), []),
    "bert-bias-lora-only": ("bert", lora(bias="lora_only", **SEQ_CLS), []),
    "bert-embeddings": ("bert", lora(target_modules=["word_embeddings", "query"]), [WORDS]),
    "bert-embeddings-all": ("bert", lora(r=2, target_modules=["word_embeddings", "position_embeddings",
                                                              "token_type_embeddings"], use_rslora=True), []),
    "bert-embeddings-dora": ("bert", lora(target_modules=["word_embeddings", "query"], use_dora=True), [WORDS]),
    "bert-exclude": ("bert", lora(target_modules=["dense"], exclude_modules=["pooler.dense", "output.dense"]), []),
    "bert-exclude-regex": ("bert", lora(target_modules="all-linear", r=2,
                                        exclude_modules=r".*(intermediate|pooler|classifier).*"), []),
    "bert-layers": ("bert", lora(layers_to_transform=[1], layers_pattern="layer", **SEQ_CLS), []),
    "bert-layer": ("bert", lora(layers_to_transform=0), []),
    "bert-lora-bias": ("bert", lora(lora_bias=True, **SEQ_CLS), [QUERY0, QUERY0.replace("weight", "bias")]),
    "bert-bare": ("bert-bare", lora(task_type=TaskType.FEATURE_EXTRACTION), []),
    "roberta-plain": ("roberta", lora(), []),
    "roberta-seq-cls": ("roberta", lora(**SEQ_CLS), []),
    "roberta-dora": ("roberta", lora(use_dora=True, **SEQ_CLS), []),
    "roberta-all-linear-seq-cls": ("roberta", lora(target_modules="all-linear", r=2, **SEQ_CLS), []),
    "roberta-embeddings": ("roberta", lora(target_modules=["word_embeddings"]), []),
    # the saved "classifier" takes pre_classifier along, whose name ends the same
    "distilbert-seq-cls": ("distilbert", lora(target_modules=["q_lin", "v_lin"], **SEQ_CLS), []),
    "distilbert-pre-classifier": ("distilbert", lora(target_modules=["q_lin", "v_lin"], use_rslora=True,
                                                     modules_to_save=["pre_classifier"]), []),
    "distilbert-all-linear": ("distilbert", lora(target_modules="all-linear", r=2), []),
    "distilbert-bias-all": ("distilbert", lora(target_modules=["q_lin", "lin2"], bias="all", use_dora=True), []),
}

# name: (base, settings of a, settings of b)
TOGETHER = {
    "pair-plain-plain": ("bert", lora(), lora(r=2, lora_alpha=3, target_modules=["query", "intermediate.dense"])),
    "pair-plain-dora": ("bert", lora(), lora(use_dora=True, target_modules=["query", "key"])),
    "pair-dora-dora": ("bert", lora(use_dora=True), lora(use_dora=True, r=2)),
}


def load(base):
    loader = AutoModel if base.endswith("-bare") else AutoModelForSequenceClassification
    return loader.from_pretrained(f"encoders/{base}").eval()


def cases(base):
    return json.loads((GOLDEN / "encoders" / base / "golden.json").read_text())["cases"]


def randomize_adapter(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                noise = 0.2 * torch.randn(parameter.shape, generator=generator)
                if "magnitude" in name:
                    parameter.mul_(1 + noise)
                else:
                    parameter.add_(noise)


def outputs(model, base):
    result = {}
    with torch.no_grad():
        for case in cases(base):
            out = model(**tensors(case["inputs"]))
            result[case["name"]] = out.logits if "logits" in out else out.last_hidden_state
    return result


def difference(first, second):
    return max((first[name] - second[name]).abs().max().item() for name in first)


def plain(rows_by_case):
    return {name: numbers(rows) for name, rows in rows_by_case.items()}


def one(name, base, settings, merged, seed):
    untouched = outputs(load(base), base)
    torch.manual_seed(seed)
    model = get_peft_model(load(base), LoraConfig(**settings)).eval()
    randomize_adapter(model, seed)
    model.save_pretrained(ROOT / name)
    (ROOT / name / "README.md").unlink()
    expected = outputs(model, base)
    assert difference(expected, untouched) > 0.05, name  # the adapter must show
    reloaded = PeftModel.from_pretrained(load(base), ROOT / name).eval()
    assert difference(expected, outputs(reloaded, base)) < 1e-6, name
    key = "last_hidden_state" if base.endswith("-bare") else "logits"
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    write_json(ROOT / name / "golden.json", {"base": f"encoders/{base}", "trainable": trainable, key: plain(expected)})
    flat = model.merge_and_unload().eval()
    assert difference(expected, outputs(flat, base)) < 2e-5, name
    if merged:
        state = flat.state_dict()
        save_file({key: state[key].contiguous() for key in merged}, ROOT / name / "merged.safetensors")


def together(name, base, first, second, seed):
    torch.manual_seed(seed)
    model = get_peft_model(load(base), LoraConfig(**first), adapter_name="a").eval()
    model.add_adapter("b", LoraConfig(**second))
    for i, adapter in enumerate("ab"):
        model.base_model.set_adapter(adapter)
        randomize_adapter(model, seed + i)
    model.save_pretrained(ROOT / name)
    (ROOT / name / "README.md").unlink()
    logits, weights = {}, {}
    for active in ("a", "b", "ab"):
        model.base_model.set_adapter(list(active))
        expected = outputs(model, base)
        logits[active] = plain(expected)
        model.merge_adapter(list(active))
        print(f"{name} {active}: merged differs by {difference(expected, outputs(model, base)):.1e}")
        query = model.base_model.model.bert.encoder.layer[0].attention.self.query
        weights[active] = query.get_base_layer().weight.detach().clone()
        model.unmerge_adapter()
    write_json(ROOT / name / "golden.json", {"base": f"encoders/{base}", "logits": logits})
    save_file(weights, ROOT / name / "merged.safetensors")


def main():
    os.chdir(GOLDEN)  # so that adapter_config.json names its base by a relative path
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, (name, (base, settings, merged)) in enumerate(ADAPTERS.items()):
        one(name, base, settings, merged, 1000 + 10 * i)
    for i, (name, (base, first, second)) in enumerate(TOGETHER.items()):
        together(name, base, first, second, 3000 + 10 * i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
