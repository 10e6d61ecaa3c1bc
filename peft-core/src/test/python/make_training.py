"""First-step gradients, 20-step AdamW runs and learning-rate schedules as Hugging Face computes them.

    python peft-core/src/test/python/make_training.py        (after make_encoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). fp32, train mode, every dropout 0.
Writes src/test/resources/golden/training/:
gradients/NAME/  adapter_config.json + adapter_model.safetensors: the adapter before the step;
                 golden.json {"base", "inputs", "labels", "loss", "grad_norm"}: one batch, the norm of all gradients;
                 grads.safetensors: dloss/dtensor under the names adapter_model.safetensors uses
runs/NAME/       initial/ and final/ adapter folders; golden.json {"base", "learning_rate", "weight_decay",
                 "max_grad_norm", "schedule", "warmup_steps", "decayed": names with weight decay,
                 "steps": [{"inputs", "labels", "learning_rate", "loss", "grad_norm" before clipping}]}
schedules.json   [{"schedule", "warmup" as HF's warmup_steps takes it: a count, or a ratio when below 1,
                 "warmup_steps", "steps", "learning_rate" peak, "rates": the rate of each step}]

With bias="all", attention's key bias has no effect on the output: its gradient is rounding noise (1e-9), which AdamW
scales up, so its final value is arbitrary and says nothing about parity.
"""

import os
import shutil
import warnings

import torch
import transformers
from peft import LoraConfig, TaskType, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

from make_lora import randomize_adapter
from tiny import GOLDEN, VOCAB, batches, numbers, tensors, write_json

ROOT = GOLDEN / "training"
QV = ["query", "value"]


def lora(**settings):
    return dict(dict(r=4, lora_alpha=8, target_modules=QV, task_type=TaskType.SEQ_CLS), **settings)


# name: (family, LoraConfig settings, whether the adapter is randomized instead of freshly initialized)
GRADIENTS = {
    "bert-fresh": ("bert", lora(), False),
    "bert-plain": ("bert", lora(), True),
    "bert-no-head": ("bert", lora(task_type=None), True),
    "bert-rslora": ("bert", lora(use_rslora=True), True),
    "bert-dora": ("bert", lora(use_dora=True), True),
    "bert-all-linear-dora": ("bert", lora(r=2, use_dora=True, target_modules="all-linear"), True),
    "bert-all-linear": ("bert", lora(r=2, target_modules="all-linear", task_type=None), True),
    "bert-bias-all": ("bert", lora(bias="all"), True),
    "bert-bias-lora-only": ("bert", lora(bias="lora_only"), True),
    "bert-lora-bias": ("bert", lora(lora_bias=True), True),
    "bert-embeddings": ("bert", lora(target_modules=["word_embeddings", "position_embeddings", "query"]), True),
    "bert-embeddings-dora": ("bert", lora(target_modules=["word_embeddings", "query"], use_dora=True), True),
    "bert-modules-to-save": ("bert", lora(modules_to_save=["pooler.dense", "embeddings.LayerNorm"]), True),
    "bert-layer-1": ("bert", lora(layers_to_transform=[1]), True),
    "roberta-plain": ("roberta", lora(), True),
    "roberta-all-linear-dora": ("roberta", lora(r=2, use_dora=True, target_modules="all-linear"), True),
    "distilbert-plain": ("distilbert", lora(target_modules=["q_lin", "v_lin"]), True),
    "distilbert-bias-all": ("distilbert", lora(target_modules=["q_lin", "lin1"], bias="all",
                                               modules_to_save=["pre_classifier"]), True),
}

# name: (LoraConfig settings, peak learning rate, schedule)
RUNS = {
    "plain": (lora(), 1e-2, "linear"),
    "dora": (lora(use_dora=True), 5e-3, "cosine"),
    "bias-all-rslora": (lora(bias="all", use_rslora=True), 5e-3, "linear"),
    "embeddings": (lora(target_modules=["word_embeddings", "value"], modules_to_save=["embeddings.LayerNorm"]), 5e-3,
                   "constant_with_warmup"),
}
STEPS, WARMUP, DECAY, CLIP = 20, 2, 0.01, 1.0


def adapted(family, settings, seed):
    base = f"encoders/{family}-no-dropout"
    torch.manual_seed(seed)
    model = get_peft_model(AutoModelForSequenceClassification.from_pretrained(base), LoraConfig(**settings))
    return base, model.train()


def save(model, folder):
    model.save_pretrained(folder)
    (folder / "README.md").unlink()


def on_disk(model, values):
    """Renames {parameter name: tensor} to the names of an adapter file."""
    renamed = get_peft_model_state_dict(model, state_dict=values)
    # with bias="all" peft lists a saved module's bias under its internal name as well
    renamed = {name: tensor for name, tensor in renamed.items() if ".modules_to_save." not in name}
    assert len(renamed) == len(values), set(values) - set(renamed)
    return {name: tensor.detach().clone().contiguous() for name, tensor in renamed.items()}


def trainable(model):
    """What the optimizer gets; original_module is the copy beside a saved module, which nothing runs."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad and ".original_module." not in name}


def gradients(name, family, settings, randomized, seed):
    base, model = adapted(family, settings, seed)
    if randomized:
        randomize_adapter(model, seed)
    save(model, ROOT / "gradients" / name)
    batch = batches(family, seed)["pairs"]
    labels = [0, 2, 1]
    output = model(**tensors(batch), labels=torch.tensor(labels))
    output.loss.backward()
    grads = {n: p.grad for n, p in trainable(model).items()}
    norm = torch.nn.utils.get_total_norm(grads.values())
    save_file(on_disk(model, grads), ROOT / "gradients" / name / "grads.safetensors")
    write_json(ROOT / "gradients" / name / "golden.json", {
        "base": base, "inputs": batch, "labels": labels, "loss": numbers(output.loss), "grad_norm": numbers(norm)})


def learnable_batch(generator):
    """Four right-padded rows whose label is the second token modulo three."""
    rows = [[2] + torch.randint(5, VOCAB, (n,), generator=generator).tolist() + [3]
            for n in torch.randint(4, 11, (4,), generator=generator).tolist()]
    width = max(map(len, rows))
    return {
        "input_ids": [r + [0] * (width - len(r)) for r in rows],
        "attention_mask": [[1] * len(r) + [0] * (width - len(r)) for r in rows],
        "token_type_ids": [[0] * width for _ in rows],
    }, [r[1] % 3 for r in rows]


def run(name, settings, peak, schedule, seed):
    base, model = adapted("bert", settings, seed)
    folder = ROOT / "runs" / name
    save(model, folder / "initial")
    parameters = trainable(model)
    decayed = {n: p for n, p in parameters.items() if n in Trainer.get_decay_parameter_names(None, model)}
    optimizer = torch.optim.AdamW([
        {"params": list(decayed.values()), "weight_decay": DECAY},
        {"params": [p for n, p in parameters.items() if n not in decayed], "weight_decay": 0.0}], lr=peak)
    scheduler = transformers.get_scheduler(schedule, optimizer, WARMUP, STEPS)
    marks = on_disk(model, {n: torch.tensor(n in decayed) for n in parameters})
    generator = torch.Generator().manual_seed(seed)
    steps = []
    for _ in range(STEPS):
        batch, labels = learnable_batch(generator)
        rate = scheduler.get_last_lr()[0]
        loss = model(**tensors(batch), labels=torch.tensor(labels)).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        steps.append({"inputs": batch, "labels": labels, "learning_rate": rate, "loss": numbers(loss),
                      "grad_norm": numbers(norm)})
    save(model, folder / "final")
    write_json(folder / "golden.json", {
        "base": base, "learning_rate": peak, "weight_decay": DECAY, "max_grad_norm": CLIP, "schedule": schedule,
        "warmup_steps": WARMUP, "decayed": sorted(n for n, mark in marks.items() if mark), "steps": steps})
    print(name, "loss", " ".join(f"{s['loss']:.3f}" for s in steps))
    print(name, "norm", " ".join(f"{s['grad_norm']:.2f}" for s in steps))


def schedules():
    cases = []
    for schedule in ("linear", "cosine", "constant", "constant_with_warmup"):
        # 0.07 * 100 is a little above 7 in binary, and HF rounds up: 8 steps
        for warmup in (0, 1, 10, 100, 0.06, 0.065, 0.07, 0.1):
            for steps in (100, 33) if warmup in (10, 0.06) else (100,):
                optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
                arguments = TrainingArguments(output_dir="unused", warmup_steps=warmup, use_cpu=True)
                warmup_steps = arguments.get_warmup_steps(steps)
                scheduler = transformers.get_scheduler(schedule, optimizer, warmup_steps, steps)
                rates = []
                for _ in range(steps):
                    rates.append(scheduler.get_last_lr()[0])
                    optimizer.step()
                    scheduler.step()
                cases.append({"schedule": schedule, "warmup": warmup, "warmup_steps": warmup_steps, "steps": steps,
                              "learning_rate": 1e-3, "rates": rates})
    write_json(ROOT / "schedules.json", cases)


def main():
    os.chdir(GOLDEN)
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, (name, (family, settings, randomized)) in enumerate(GRADIENTS.items()):
        gradients(name, family, settings, randomized, 7000 + i)
    for i, (name, (settings, peak, schedule)) in enumerate(RUNS.items()):
        run(name, settings, peak, schedule, 8000 + i)
    schedules()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
