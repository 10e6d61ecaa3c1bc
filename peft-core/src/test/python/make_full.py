"""Gradients of all parameters of tiny models as transformers computes them: the reference of full fine-tuning.

    python peft-core/src/test/python/make_full.py        (after make_encoders.py and make_decoders.py)

needs torch and transformers (made with 2.13 and 5.18). fp32, every dropout 0. Writes src/test/resources/golden/full/:
NAME.json         {"base", "inputs", "labels", "loss": mean, "terms": how many it is the mean of}
NAME.safetensors  dloss/dparameter under the checkpoint's names; a tied weight once, with the sum of both gradients
"""

import shutil
import warnings

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from make_decoders import padded, rows
from tiny import GOLDEN, batches, numbers, tensors, write_json

ROOT = GOLDEN / "full"
DECODERS = ["llama", "llama3", "qwen3", "gemma2", "phi3", "gpt2", "gpt-neox"]
ENCODERS = {"bert": "bert-no-dropout", "roberta": "roberta-no-dropout", "distilbert": "distilbert-no-dropout"}


def stored_names(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


def save(name, base, model, batch, labels, loss, terms):
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    if "lm_head.weight" in grads and "embed_out.weight" in stored_names(GOLDEN / base):
        grads["embed_out.weight"] = grads.pop("lm_head.weight")
    assert set(grads) <= stored_names(GOLDEN / base), set(grads) - stored_names(GOLDEN / base)
    save_file({n: g.contiguous() for n, g in grads.items()}, ROOT / f"{name}.safetensors")
    write_json(ROOT / f"{name}.json", {
        "base": base, "inputs": batch, "labels": labels, "loss": numbers(loss), "terms": terms})


def decoder(name, seed):
    base = f"decoders/{name}"
    model = AutoModelForCausalLM.from_pretrained(GOLDEN / base, attn_implementation="eager")
    batch = padded(rows(seed, (12, 7, 4, 9)))
    labels = [[t if m and i >= 3 else -100 for i, (t, m) in enumerate(zip(ids, mask))]
              for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]
    loss = model(**tensors(batch), labels=torch.tensor(labels)).loss
    save(name, base, model, batch, labels, loss, sum(t != -100 for row in labels for t in row))


def encoder(name, folder, seed):
    base = f"encoders/{folder}"
    model = AutoModelForSequenceClassification.from_pretrained(GOLDEN / base, attn_implementation="eager")
    batch = batches(name, seed)["pairs"]
    labels = [0, 2, 1]
    loss = model(**tensors(batch), labels=torch.tensor(labels)).loss
    save(name, base, model, batch, labels, loss, 3)


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    for i, name in enumerate(DECODERS):
        decoder(name, 9000 + i)
    for i, (name, folder) in enumerate(ENCODERS.items()):
        encoder(name, folder, 9100 + i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
