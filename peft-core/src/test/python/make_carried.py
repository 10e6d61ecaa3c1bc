"""Adapters whose files hold tensors of the base too, or what is tied to each other, with what peft computes on reload.

    python peft-core/src/test/python/make_carried.py        (after make_encoders.py and make_decoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Writes src/test/resources/golden/carried/:
NAME/   adapter_config.json + adapter_model.safetensors, as peft saves them; golden.json {"base", "vocabulary": rows of
        the token table, "inputs": token ids, "log_probs" of each but the first (or a classifier's "logits") after
        PeftModel.from_pretrained on the base (resized, where the vocabulary is larger), "without": the bare base's}
"""

import os
import shutil
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from hf_causal import log_probs
from make_lora import randomize_adapter
from tiny import GOLDEN, VOCAB, numbers, write_json

ROOT = GOLDEN / "carried"
GROWN = VOCAB + 6
TIED = dict(ensure_weight_tying=True)

# name: (base, LoRA settings, rows of the table, whether some of its rows are changed, save_embedding_layers)
CASES = {
    "targeted-equal": ("decoders/llama", dict(target_modules=["q_proj", "embed_tokens", "lm_head"]), VOCAB, False, "auto"),
    "targeted": ("decoders/llama", dict(target_modules=["q_proj", "embed_tokens", "lm_head"]), VOCAB, True, "auto"),
    "targeted-dora": ("decoders/llama", dict(target_modules=["q_proj", "embed_tokens", "lm_head"], use_dora=True), VOCAB,
                      True, "auto"),
    "targeted-grown": ("decoders/llama", dict(target_modules=["q_proj", "embed_tokens", "lm_head"]), GROWN, True, "auto"),
    "targeted-tied": ("decoders/qwen2", dict(target_modules=["q_proj", "embed_tokens"]), VOCAB, True, "auto"),
    "targeted-tied-head": ("decoders/qwen2", dict(target_modules=["q_proj", "lm_head"]), VOCAB, True, "auto"),
    "pissa": ("decoders/llama", dict(target_modules=["q_proj", "lm_head"], init_lora_weights="pissa"), VOCAB, False, "auto"),
    "plain": ("decoders/llama", dict(target_modules=["q_proj"]), VOCAB, True, True),
    "plain-equal": ("decoders/llama", dict(target_modules=["q_proj"]), VOCAB, False, True),
    "plain-bf16": ("decoders/llama-bf16", dict(target_modules=["q_proj"]), VOCAB, True, True),
    "plain-tied": ("decoders/qwen2", dict(target_modules=["q_proj"]), VOCAB, True, True),
    "grown": ("decoders/llama", dict(target_modules=["q_proj"]), GROWN, True, "auto"),
    "grown-gpt2": ("decoders/gpt2", dict(target_modules=["c_attn"]), GROWN, True, "auto"),
    "grown-neox": ("decoders/gpt-neox", dict(target_modules=["query_key_value"]), GROWN, True, "auto"),
    "grown-gemma2": ("decoders/gemma2", dict(target_modules=["q_proj"]), GROWN, True, "auto"),
    "grown-saved": ("decoders/qwen2", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]), GROWN,
                    True, "auto"),
    "grown-saved-embedding": ("decoders/qwen2", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens"]), GROWN,
                              True, "auto"),
    "grown-saved-untied": ("decoders/llama", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]),
                           GROWN, True, False),
    "grown-bert": ("encoders/bert", dict(target_modules=["query"], task_type="SEQ_CLS"), GROWN, True, "auto"),
    "bert": ("encoders/bert", dict(target_modules=["query", "word_embeddings"], task_type="SEQ_CLS", bias="all"), VOCAB, True,
             True),
    "roberta": ("encoders/roberta", dict(target_modules=["query"], task_type="SEQ_CLS"), VOCAB, True, True),
    "distilbert": ("encoders/distilbert", dict(target_modules=["q_lin"], modules_to_save=["word_embeddings"]), GROWN, True,
                   "auto"),
    "tied-saved": ("decoders/qwen2", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens"]) | TIED, VOCAB, False,
                   "auto"),
    "tied-saved-head": ("decoders/qwen2", dict(target_modules=["q_proj"], modules_to_save=["lm_head"]) | TIED, VOCAB, True,
                        "auto"),
    "tied-targeted": ("decoders/qwen2", dict(target_modules=["q_proj", "embed_tokens"]) | TIED, VOCAB, False, "auto"),
    "tied-targeted-grown": ("decoders/qwen2", dict(target_modules=["q_proj", "lm_head"]) | TIED, GROWN, True, "auto"),
    "tied-targeted-regex": ("decoders/qwen2", dict(target_modules=r".*(q_proj|embed_tokens)") | TIED, VOCAB, False, "auto"),
    "tied-targeted-dora": ("decoders/gemma2", dict(target_modules=["q_proj", "embed_tokens"], use_dora=True) | TIED, VOCAB,
                           False, "auto"),
    "tied-not-gpt2": ("decoders/gpt2", dict(target_modules=["c_attn", "wte"]) | TIED, VOCAB, False, "auto"),
    "tied-not-untied": ("decoders/llama", dict(target_modules=["q_proj", "embed_tokens"]) | TIED, VOCAB, False, "auto"),
}


def load(base, rows):
    auto = AutoModelForCausalLM if base.startswith("decoders") else AutoModelForSequenceClassification
    # the others leave out gemma2's cap on attention
    model = auto.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    if rows != VOCAB:
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def change(model, seed):
    """As after new tokens have been set up: some rows of the table, and of a head of its own, are others."""
    generator = torch.Generator().manual_seed(seed)
    tables = [model.get_input_embeddings(), model.get_output_embeddings()]
    with torch.no_grad():
        for table in tables:
            if table is not None:
                for row in [*range(5, 8), *range(VOCAB, table.weight.shape[0])]:
                    table.weight[row] = 0.3 * torch.randn(table.weight.shape[1], generator=generator)


def rows(seed, vocabulary):
    generator = torch.Generator().manual_seed(seed)
    found = [torch.randint(2, vocabulary, (n,), generator=generator).tolist() for n in (11, 7)]
    return [ids[:2] + [5, vocabulary - 1, 7] + ids[2:] for ids in found]


def outputs(model, inputs):
    if model.get_output_embeddings() is not None:
        return [log_probs(model, ids) for ids in inputs]
    with torch.no_grad():
        return [numbers(model(torch.tensor([ids])).logits[0]) for ids in inputs]


def write(name, seed):
    base, settings, size, changed, saving = CASES[name]
    torch.manual_seed(seed)
    model = load(base, size)
    if changed:
        change(model, seed)
    task = {"task_type": "CAUSAL_LM"} if base.startswith("decoders") else {}
    peft = get_peft_model(model, LoraConfig(**(task | dict(r=3, lora_alpha=6) | settings))).eval()
    # tensors of an adapter that share their memory get their numbers together
    randomize_adapter(peft, seed)
    peft.save_pretrained(ROOT / name, save_embedding_layers=saving)
    (ROOT / name / "README.md").unlink()
    inputs = rows(seed, size)
    again = PeftModel.from_pretrained(load(base, size), ROOT / name).eval()
    found = outputs(again, inputs)
    live = outputs(peft, inputs)
    worst = max(abs(a - b) for x, y in zip(found, live) for a, b in zip(x, y))
    tables = "" if worst < 1e-4 else f" BUT LIVE DIFFERS BY {worst}"
    print(name, f"{worst:.1e}", tables)
    known = [[min(i, VOCAB - 1) for i in ids] for ids in inputs]
    write_json(ROOT / name / "golden.json", {
        "base": base, "vocabulary": size, "inputs": inputs,
        "log_probs" if base.startswith("decoders") else "logits": found,
        "without": outputs(load(base, VOCAB), known)})


def main():
    os.chdir(GOLDEN)
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, name in enumerate(CASES):
        write(name, 900 + i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
