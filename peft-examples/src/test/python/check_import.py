"""Checks an imported model folder against its source, with transformers.

Usage: python check_import.py FOLDER [MODEL.onnx]
With an ONNX file (needs onnxruntime), the outputs of the graph and of the folder are compared; the
folder's tokenizer makes the inputs of both. A masked-LM head, if there is one, fills some masks.
"""

import json
import sys

import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer
from safetensors import safe_open

folder = sys.argv[1]
texts = ["A man is eating food.", "A man eats something.", "The stock market fell sharply on Monday.",
         "naïve Café — 東京 unbelievability!"]
tokenizer = AutoTokenizer.from_pretrained(folder)
batch = tokenizer(texts, padding=True, return_tensors="pt")
print("ids", batch["input_ids"][0].tolist(), batch["input_ids"][3].tolist(), type(tokenizer).__name__)
model, info = AutoModel.from_pretrained(folder, output_loading_info=True)
model.eval()
print("loading", {k: sorted(v) for k, v in info.items() if v})
with safe_open(f"{folder}/model.safetensors", "pt") as f:
    print("tensors", len(f.keys()), f.metadata())
config = AutoConfig.from_pretrained(folder)
with torch.no_grad():
    outputs = model(**batch)
    out = outputs.last_hidden_state
mask = batch["attention_mask"].unsqueeze(-1)
mean = torch.nn.functional.normalize((out * mask).sum(1) / mask.sum(1), dim=1)
print("cosine paraphrase %.4f unrelated %.4f" % (mean[0] @ mean[1], mean[0] @ mean[2]))

if len(sys.argv) > 2:
    import onnxruntime

    session = onnxruntime.InferenceSession(sys.argv[2])
    names = {i.name for i in session.get_inputs()}
    ref, *rest = session.run(None, {k: v.numpy() for k, v in batch.items() if k in names})
    diff = ((torch.from_numpy(ref) - out).abs() * mask).max().item()
    print("largest difference to onnxruntime %.2e of %.2f" % (diff, out.abs().max()))
    assert diff < 1e-4
    for pooled in rest:
        diff = (torch.from_numpy(pooled) - outputs.pooler_output).abs().max().item()
        print("largest difference of the pooler %.2e" % diff)
        assert diff < 1e-4

if config.architectures == ["BertForMaskedLM"]:
    model, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    model.eval()
    print("loading head", {k: sorted(v) for k, v in info.items() if v})
    for text in ["The capital of France is [MASK].", "He sat down and began to [MASK] his dinner."]:
        batch = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = model(**batch).logits[0]
        at = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
        top = logits[at].softmax(-1).topk(3)
        print(text, [(tokenizer.decode(i), round(p.item(), 4)) for p, i in zip(*top)])
