"""Adapters of every method that Hugging Face peft has, saved by it, with its outputs and first gradients.

    python peft-core/src/test/python/make_methods.py        (after make_encoders.py and make_decoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Every trainable tensor is random and nonzero.
Writes src/test/resources/golden/methods/NAME/, one adapter each:
adapter_config.json, adapter_model.safetensors   as peft saves them
grads.safetensors   the gradients of the loss, under the names of adapter_model.safetensors; those of an encoder that
        makes up a prompt under prompt_encoder.*
state.safetensors   for such an encoder only: its tensors
golden.json     {"base": folder under golden/, "trainable": parameter count, "loss": sum over what is labelled, and
        encoders   "cases": names of those of the base that were run, "logits": {case: rows}, "case", "labels": those
                   whose loss it is
        decoders   "inputs", "labels", "greedy": {"prompt", "tokens"}}
"""

import json
import os
import shutil
import sys
import warnings

import torch
from peft import (AdaLoraConfig, IA3Config, LNTuningConfig, LoHaConfig, LoKrConfig, PeftModel, PrefixTuningConfig,
                  PromptEncoderConfig, PromptTuningConfig, VeraConfig, get_peft_model, get_peft_model_state_dict)
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from make_decoders import LONG, padded, rows
from make_lora import cases
from tiny import GOLDEN, numbers, tensors, write_json

ROOT = GOLDEN / "methods"
ADALORA = dict(init_r=3, target_r=2, total_step=10, lora_alpha=6)
PREFIX = dict(num_virtual_tokens=3)
LSTM = dict(encoder_reparameterization_type="LSTM", encoder_hidden_size=6, encoder_num_layers=2)

# name: (base, config, further settings)
ADAPTERS = {
    "ia3-bert": ("bert-no-dropout", IA3Config, {}),
    "ia3-distilbert": ("distilbert-no-dropout", IA3Config, dict(target_modules=["k_lin", "v_lin", "lin2"],
                                                     feedforward_modules=["lin2"])),
    "ia3-regex-bert": ("bert-no-dropout", IA3Config, dict(target_modules=r".*layer\.1.*(key|dense)",
                                               feedforward_modules=r".*\.dense")),
    "ia3-llama": ("llama", IA3Config, {}),
    "ia3-gpt2": ("gpt2", IA3Config, {}),
    "vera-bert": ("bert-no-dropout", VeraConfig, dict(r=5, target_modules=["query", "intermediate.dense", "output.dense"])),
    "vera-llama": ("llama", VeraConfig, dict(r=4, target_modules="all-linear")),
    "loha-bert": ("bert-no-dropout", LoHaConfig, dict(r=3, alpha=5, target_modules=["query", "value", "intermediate.dense"])),
    "loha-patterns-bert": ("bert-no-dropout", LoHaConfig, dict(r=3, target_modules=["query", "value"], rank_pattern={"query": 2},
                                                    alpha_pattern={"value": 4})),
    "loha-llama": ("llama", LoHaConfig, dict(r=2, target_modules="all-linear")),
    "lokr-bert": ("bert-no-dropout", LoKrConfig, dict(r=2, target_modules=["query", "intermediate.dense"])),
    "lokr-both-bert": ("bert-no-dropout", LoKrConfig, dict(r=1, alpha=3, decompose_both=True, decompose_factor=4,
                                                target_modules=["query", "output.dense"])),
    "lokr-full-llama": ("llama", LoKrConfig, dict(r=16, target_modules="all-linear")),
    "ln-bert": ("bert-no-dropout", LNTuningConfig, dict(target_modules=["LayerNorm"])),
    "ln-distilbert": ("distilbert-no-dropout", LNTuningConfig, dict(target_modules=["sa_layer_norm", "output_layer_norm"])),
    "ln-llama": ("llama", LNTuningConfig, {}),
    "ln-gpt2": ("gpt2", LNTuningConfig, {}),
    "adalora-bert": ("bert-no-dropout", AdaLoraConfig, dict(ADALORA)),
    "adalora-llama": ("llama", AdaLoraConfig, dict(ADALORA, target_modules="all-linear")),
    "prefix-bert": ("bert-no-dropout", PrefixTuningConfig, dict(PREFIX)),
    "prefix-roberta": ("roberta-no-dropout", PrefixTuningConfig, dict(PREFIX)),
    "prefix-llama": ("llama", PrefixTuningConfig, dict(PREFIX)),
    "prefix-gpt2": ("gpt2", PrefixTuningConfig, dict(PREFIX)),
    "prefix-mistral": ("mistral", PrefixTuningConfig, dict(PREFIX)),
    "prefix-mlp-bert": ("bert-no-dropout", PrefixTuningConfig, dict(PREFIX, prefix_projection=True, encoder_hidden_size=6)),
    "prefix-mlp-llama": ("llama", PrefixTuningConfig, dict(PREFIX, prefix_projection=True, encoder_hidden_size=6)),
    "prompt-bert": ("bert-no-dropout", PromptTuningConfig, dict(PREFIX)),
    "prompt-llama": ("llama", PromptTuningConfig, dict(PREFIX)),
    "prompt-gpt2": ("gpt2", PromptTuningConfig, dict(PREFIX)),
    "prompt-gemma2": ("gemma2", PromptTuningConfig, dict(PREFIX)),
    "p-tuning-bert": ("bert-no-dropout", PromptEncoderConfig, dict(PREFIX, encoder_hidden_size=6)),
    "p-tuning-llama": ("llama", PromptEncoderConfig, dict(PREFIX, encoder_hidden_size=6)),
    "p-tuning-lstm-llama": ("llama", PromptEncoderConfig, dict(PREFIX, **LSTM)),
    "prompt-roberta": ("roberta-no-dropout", PromptTuningConfig, dict(PREFIX)),
    "p-tuning-roberta": ("roberta-no-dropout", PromptEncoderConfig, dict(PREFIX, encoder_hidden_size=6)),
    "prefix-bert-long": ("bert-long", PrefixTuningConfig, dict(PREFIX)),
    "prompt-bert-long": ("bert-long", PromptTuningConfig, dict(PREFIX)),
    "prefix-llama-long": ("llama-long", PrefixTuningConfig, dict(PREFIX)),
    "prefix-mistral-long": ("mistral-long", PrefixTuningConfig, dict(PREFIX)),
}
ENCODERS = ("bert-no-dropout", "distilbert-no-dropout", "roberta-no-dropout", "bert-long")
PROMPTS = (PrefixTuningConfig, PromptTuningConfig, PromptEncoderConfig)


def load(base):
    if base in ENCODERS:
        return AutoModelForSequenceClassification.from_pretrained(f"encoders/{base}", attn_implementation="eager").eval()
    return AutoModelForCausalLM.from_pretrained(f"decoders/{base}", attn_implementation="eager").eval()


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                noise = 0.2 * torch.randn(parameter.shape, generator=generator)
                if "ia3" in name:
                    parameter.mul_(1 + 2 * noise)
                else:
                    parameter.add_(noise)


def on_disk(model, values):
    """Tensors by parameter name, under the names they have in adapter_model.safetensors."""
    state = get_peft_model_state_dict(model, state_dict={**model.state_dict(), **values})
    return {k: v.detach().clone().contiguous() for k, v in state.items()}


def prompt_encoder(model, values):
    return {n.replace(".default", ""): v.detach().clone().contiguous() for n, v in values.items()
            if n.startswith("prompt_encoder")}


def run_encoder(model, base, chosen):
    logits = {}
    with torch.no_grad():
        for case in cases(base):
            if case["name"] in chosen:
                logits[case["name"]] = model(**tensors(case["inputs"])).logits
    return logits


def encoder_golden(model, base, chosen=None):
    chosen = chosen or [c["name"] for c in cases(base)]
    logits = run_encoder(model, base, chosen)
    golden = {"cases": chosen, "logits": {k: numbers(v) for k, v in logits.items()}, "case": chosen[-1]}
    batch = next(c["inputs"] for c in cases(base) if c["name"] == chosen[-1])
    classes = len(golden["logits"][chosen[-1]][0])
    golden["labels"] = [i % classes for i in range(len(batch["input_ids"]))]
    result = model(**tensors(batch)).logits
    loss = torch.nn.functional.cross_entropy(result, torch.tensor(golden["labels"]), reduction="sum")
    return golden, loss, logits


def labelled(seed, left=False, lengths=(12, 7, 4, 9)):
    """A padded batch, labels from each row's fourth token on, and how many there are."""
    sequences = rows(seed, lengths)
    batch = padded(sequences, left)
    labels = padded([[-100] * 3 + row[3:] for row in sequences], left)
    labels = [[t if m else -100 for t, m in zip(*row)] for row in zip(labels["input_ids"], labels["attention_mask"])]
    return batch, labels, sum(t != -100 for row in labels for t in row)


def decoder_golden(model, seed):
    lengths = LONG["padded"] if model.config.max_position_embeddings > 256 else (12, 7, 4, 9)
    batch, labels, count = labelled(seed, lengths=lengths)
    loss = model(**tensors(batch), labels=torch.tensor(labels)).loss
    if hasattr(model.base_model, "trainable_adapter_name") and model.training:
        raise AssertionError
    left, left_labels, _ = labelled(seed, left=True, lengths=lengths)
    with torch.no_grad():
        left_loss = model(**tensors(left), labels=torch.tensor(left_labels)).loss * count
    prompt = rows(seed + 1, (6,))
    out = model.generate(input_ids=torch.tensor(prompt), attention_mask=torch.ones(1, 6, dtype=torch.long),
                         max_new_tokens=8, do_sample=False)
    greedy = out[0, 6:].tolist() if out.shape[1] > 8 else out[0].tolist()
    golden = {"inputs": batch, "labels": labels, "greedy": {"prompt": prompt[0], "tokens": greedy[-8:]},
              "left": {"inputs": left, "labels": left_labels, "loss": numbers(left_loss)}}
    return golden, loss * count, None


def one(name, base, kind, settings, seed):
    encoder = base in ENCODERS
    torch.manual_seed(seed)
    model = get_peft_model(load(base), kind(task_type="SEQ_CLS" if encoder else "CAUSAL_LM", **settings)).eval()
    randomize(model, seed)
    model.save_pretrained(ROOT / name)
    (ROOT / name / "README.md").unlink()
    prompted = kind in PROMPTS
    if kind is AdaLoraConfig:
        model.peft_config["default"].orth_reg_weight = 0.0  # its own loss is added by the trainer
    golden, loss, logits = encoder_golden(model, base) if encoder else decoder_golden(model, seed)
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}
    if prompted:
        encoders = prompt_encoder(model, grads)
        others = {n.replace("base_model.", "base_model.model.", 1).replace(".modules_to_save.default", ""): g
                  for n, g in grads.items() if not n.startswith("prompt_encoder")}
        plain = list(encoders) == ["prompt_encoder.embedding.weight"]
        found = {("prompt_embeddings" if plain else n): g for n, g in encoders.items()} | others
        save_file({n: g.contiguous() for n, g in found.items()}, ROOT / name / "grads.safetensors")
        if not plain:
            save_file(prompt_encoder(model, dict(model.named_parameters())), ROOT / name / "state.safetensors")
    else:
        save_file(on_disk(model, grads), ROOT / name / "grads.safetensors")
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    write_json(ROOT / name / "golden.json", {
        "base": f"{'encoders' if encoder else 'decoders'}/{base}", "trainable": trainable, "loss": numbers(loss), **golden})
    if encoder:
        untouched = run_encoder(load(base), base, golden["cases"])
        reloaded = run_encoder(PeftModel.from_pretrained(load(base), ROOT / name).eval(), base, golden["cases"])
        for case, value in logits.items():
            assert (value - untouched[case]).abs().max() > 0.02, name  # the adapter must show
            assert (value - reloaded[case]).abs().max() < 1e-5, name


def main():
    os.chdir(GOLDEN)
    wanted = sys.argv[1:] or list(ADAPTERS)
    if not sys.argv[1:]:
        for name in ADAPTERS:
            shutil.rmtree(ROOT / name, ignore_errors=True)
    for i, (name, (base, kind, settings)) in enumerate(ADAPTERS.items()):
        if name in wanted:
            print(name, flush=True)
            one(name, base, kind, settings, 9000 + 10 * i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
