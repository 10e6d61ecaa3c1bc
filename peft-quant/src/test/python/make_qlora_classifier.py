"""What Hugging Face peft on bitsandbytes' CPU backend computes for a sequence classifier in 4 bits.

    python peft-quant/src/test/python/make_qlora_classifier.py

needs what make_qlora.py needs, and the base that it writes. A head for three classes goes onto that base.
Writes src/test/resources/io/peft4j/quant/qlora-classifier/:
adapter/         LoRA on all linear layers and the head (`score`) as peft saves them, all random
examples.json    [{"ids": of tokens, "label"}], of different lengths, in the order in which they are seen
MODE.json        {"logits": of all examples before training, "loss": of the first batch, "curve": the loss of each step}
MODE.safetensors the gradient of each factor and of the head in the first batch
where MODE is as in make_qlora.py. In bf16 the head is computed in bfloat16 of float32 numbers, as under autocast: peft
alone would train numbers that are bfloat16. The loss is computed in float32.
"""

import json
import types

import torch
from make_qlora import BATCH, RATE, ROOT as BASE, VOCAB, quantized, train
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification

ROOT = BASE.parent / "qlora-classifier"
STEPS, CLASSES, PAD = 20, 3, 0
HEAD = dict(num_labels=CLASSES, pad_token_id=PAD)


def examples():
    """The class is the step from one token to the next."""
    generator = torch.Generator().manual_seed(6)
    draw = lambda low, high: torch.randint(low, high, (1,), generator=generator).item()
    rows = []
    for _ in range(BATCH * STEPS):
        label, start, length = draw(0, CLASSES), draw(0, VOCAB), draw(5, 25)
        rows.append({"ids": [1 + (start + (1 + label) * t) % (VOCAB - 1) for t in range(length)], "label": label})
    return rows


def make_adapter():
    torch.manual_seed(2)
    dense = AutoModelForSequenceClassification.from_pretrained(BASE / "base", dtype=torch.float32, **HEAD)
    adapted = get_peft_model(dense, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="SEQ_CLS",
                                               init_lora_weights=False, base_model_name_or_path="base"))
    adapted.save_pretrained(ROOT / "adapter")
    (ROOT / "adapter/README.md").unlink(missing_ok=True)


def classifier(mode):
    model = quantized(mode, AutoModelForSequenceClassification, ROOT / "adapter", **HEAD)
    if mode == "bf16":
        head = model.base_model.model.score.modules_to_save["default"]
        saved = load_file(ROOT / "adapter/adapter_model.safetensors")["base_model.model.score.weight"]
        head.weight = torch.nn.Parameter(saved)
        head.forward = types.MethodType(lambda own, x: F.linear(x, own.weight.to(x.dtype)), head)
    return model


def logits(model, rows):
    width = max(len(row["ids"]) for row in rows)
    ids = torch.tensor([row["ids"] + [PAD] * (width - len(row["ids"])) for row in rows])
    return model(input_ids=ids, attention_mask=(ids != PAD).long()).logits.float()


def run(mode, rows):
    model = classifier(mode)
    trained = {name.replace(".default", "").replace(".modules_to_save", ""): p
               for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.dtype == torch.float32 for p in trained.values()) and "base_model.model.score.weight" in trained
    batches = [rows[i:i + BATCH] for i in range(0, len(rows), BATCH)]
    with torch.no_grad():
        before = [row for batch in batches for row in logits(model, batch).tolist()]
    losses = (F.cross_entropy(logits(model, batch), torch.tensor([row["label"] for row in batch])) for batch in batches)
    curve = train(trained, losses, ROOT / f"{mode}.safetensors")
    golden = {"logits": before, "loss": curve[0], "rate": RATE, "curve": curve}
    (ROOT / f"{mode}.json").write_text(json.dumps(golden) + "\n")
    print(mode, curve)


if __name__ == "__main__":
    ROOT.mkdir(parents=True, exist_ok=True)
    make_adapter()
    rows = examples()
    (ROOT / "examples.json").write_text(json.dumps(rows) + "\n")
    for name in ("bf16", "kbit", "float32"):
        run(name, rows)
