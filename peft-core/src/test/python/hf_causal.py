"""Shared by make_causal.py and make_shakespeare.py: HF's Trainer on examples in the order of io.peft4j's."""

import tempfile

import torch
import transformers
from peft.optimizers import create_loraplus_optimizer
from torch.utils.data import SequentialSampler

from java_order import permutation
from tiny import numbers


def log_probs(model, ids, labels=None):
    """The log-probabilities of the labels (all tokens but the first, if none are given)."""
    labels = ids if labels is None else labels
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float()
    picked = logits[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    return numbers(picked[[t for t in range(len(ids) - 1) if labels[t + 1] != -100]])


def perplexity(model, examples):
    values = [v for ids, labels in examples for v in log_probs(model.eval(), ids, labels)]
    return torch.tensor(values, dtype=torch.float64).mean().neg().exp().item()


def greedy(model, ids, count):
    out = model.eval().generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=count,
        do_sample=False, eos_token_id=None, pad_token_id=0)
    return out[0, len(ids):].tolist()


class InOrder(transformers.Trainer):
    def _get_train_sampler(self, *_):
        return SequentialSampler(self.train_dataset)


def collate(rows):
    width = max(len(row["input_ids"]) for row in rows)

    def fill(key, value):
        return torch.tensor([row[key] + [value] * (width - len(row[key])) for row in rows])

    mask = [{"mask": [1] * len(row["input_ids"])} for row in rows]
    return {"input_ids": fill("input_ids", 0), "labels": fill("labels", -100),
            "attention_mask": torch.tensor([m["mask"] + [0] * (width - len(m["mask"])) for m in mask])}


def train(model, examples, seed, *, epochs, batch, accumulation, rate, decay=0.0, schedule="linear", loraplus=None,
          bf16=False):
    """Trains as io.peft4j.train.Trainer would. Returns the loss, gradient norm and rate of each step."""
    ordered = [examples[i] for epoch in range(epochs) for i in permutation(len(examples), seed, epoch)]
    rows = [{"input_ids": ids, "labels": labels} for ids, labels in ordered]
    steps_per_epoch = -(-(-(-len(examples) // batch)) // accumulation)
    assert epochs == 1 or len(examples) % batch == 0, "epochs would run into each other"
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder, per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation, learning_rate=rate,
            weight_decay=decay, lr_scheduler_type=schedule, max_steps=epochs * steps_per_epoch, logging_steps=1,
            report_to=[], save_strategy="no", remove_unused_columns=False, use_cpu=True, seed=1,
            dataloader_pin_memory=False, disable_tqdm=True, bf16=bf16)
        optimizers = (None, None)
        if loraplus:
            optimizer = create_loraplus_optimizer(
                model, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=loraplus["ratio"],
                loraplus_lr_embedding=loraplus["embedding"], loraplus_weight_decay=decay)
            optimizers = (optimizer, None)
        trainer = InOrder(model, arguments, data_collator=collate, train_dataset=rows, optimizers=optimizers)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return [{"loss": entry["loss"], "grad_norm": entry["grad_norm"], "learning_rate": entry["learning_rate"]}
            for entry in trainer.state.log_history if "loss" in entry]
