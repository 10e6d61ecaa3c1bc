"""A tiny BERT for token classification with a LoRA adapter of peft's, and what they give.

    python peft-core/src/test/python/make_tokens.py

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Writes src/external/resources/org/example/tokens/:
config.json, model.safetensors   BertForTokenClassification, without dropout, with labels O, B, I
adapter/                         adapter_config.json and adapter_model.safetensors, every tensor random and nonzero
golden.json                      {"rows": [{"ids", "types", "labels"}], "logits": by row and token with the adapter,
                                  "loss": mean over labelled tokens of all rows together}
gradients.safetensors            of that loss, of every trained tensor, by its key in the adapter's file
"""

import json
import shutil

import torch
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import save_file
from transformers import BertForTokenClassification

from tiny import GOLDEN, config, dumps, numbers, randomize

ROOT = GOLDEN.parents[2] / "external" / "resources" / "org" / "example" / "tokens"
ROWS = [
    dict(ids=[2, 17, 43, 88, 5, 3], types=[0, 0, 0, 0, 0, 0], labels=[-100, 0, 1, 2, -100, -100]),
    dict(ids=[2, 9, 61, 3, 70, 71, 24, 3], types=[0, 0, 0, 0, 1, 1, 1, 1], labels=[-100, 1, 2, -100, 0, 0, 1, -100]),
    dict(ids=[2, 30, 3], types=[0, 0, 0], labels=[-100, 2, -100]),
]


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    names = {0: "O", 1: "B", 2: "I"}
    settings = dict(hidden_size=16, num_attention_heads=2, intermediate_size=24, vocab_size=96,
                    max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                    id2label=names, label2id={name: i for i, name in names.items()})
    model = randomize(BertForTokenClassification(config("bert", **settings)), 1)
    model.save_pretrained(ROOT)
    lora = LoraConfig(r=2, lora_alpha=4, target_modules=["query", "value"], task_type=TaskType.TOKEN_CLS)
    adapted = get_peft_model(model, lora)
    generator = torch.Generator().manual_seed(2)
    trained = {name: p for name, p in sorted(adapted.named_parameters()) if p.requires_grad}
    with torch.no_grad():
        for parameter in trained.values():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    adapted.save_pretrained(ROOT / "adapter")
    (ROOT / "adapter" / "README.md").unlink()
    logits, losses, labelled = [], 0, 0
    for row in ROWS:
        one = {name: torch.tensor([value]) for name, value in row.items()}
        output = adapted(input_ids=one["ids"], token_type_ids=one["types"], labels=one["labels"])
        logits.append(numbers(output.logits[0]))
        count = sum(label != -100 for label in row["labels"])
        losses = losses + output.loss * count
        labelled += count
    loss = losses / labelled
    loss.backward()
    gradients = {name.replace(".default", "").replace("modules_to_save.", ""): p.grad for name, p in trained.items()}
    save_file({name: g.contiguous() for name, g in gradients.items()}, ROOT / "gradients.safetensors")
    (ROOT / "golden.json").write_text(json.dumps(dict(rows=ROWS, logits=logits, loss=numbers(loss))) + "\n")


main()
