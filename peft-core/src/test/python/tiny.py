"""Shared by the make_*.py scripts: tiny random encoders, batches for them, and JSON that diffs well.

Everything here is seeded, so running a script again rewrites the same bytes (same library versions assumed).
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if os.environ.get("PYTHONHASHSEED") != "0":  # peft writes sets into adapter_config.json, ordered by hash
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import torch
import transformers

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

GOLDEN = Path(__file__).resolve().parent.parent / "resources" / "golden"
VOCAB = 120
MAX_POSITIONS = 64


def config(family, **overrides):
    """A transformers config small enough that the checkpoint stays below 150 KB."""
    if family == "distilbert":
        base = dict(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=VOCAB,
                    max_position_embeddings=MAX_POSITIONS, pad_token_id=0)
        if "num_hidden_layers" in overrides:
            overrides["n_layers"] = overrides.pop("num_hidden_layers")
        return transformers.DistilBertConfig(**{**base, **overrides})
    base = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                vocab_size=VOCAB)
    if family == "bert":
        base |= dict(max_position_embeddings=MAX_POSITIONS, type_vocab_size=2, pad_token_id=0)
        return transformers.BertConfig(**{**base, **overrides})
    if family == "roberta":
        base |= dict(max_position_embeddings=MAX_POSITIONS + 2, type_vocab_size=1, pad_token_id=1,
                     bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5)
        return transformers.RobertaConfig(**{**base, **overrides})
    raise ValueError(family)


def randomize(model, seed):
    """Large random weights, so that logits are of order one and every parameter shows in them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "LayerNorm.weight" in name or "layer_norm.weight" in name:
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return model.eval()


def batches(family, seed, times=1):
    """Four batches of token ids: unpadded, right-padded, left-padded, and padded sentence pairs; `times` as long."""
    generator = torch.Generator().manual_seed(seed)
    start, end, pad = (0, 2, 1) if family == "roberta" else (2, 3, 0)

    def words(n):
        return torch.randint(5, VOCAB, (n,), generator=generator).tolist()

    def single(n):
        return [start] + words(n - 2) + [end]

    def pair(n, m):
        middle = [end, end] if family == "roberta" else [end]
        first = [start] + words(n) + middle
        second = words(m) + [end]
        return first + second, [0] * len(first) + [1] * len(second)

    def padded(rows, types=None, left=False):
        width = max(map(len, rows))
        types = types or [[0] * len(r) for r in rows]

        def fill(row, value):
            gap = [value] * (width - len(row))
            return gap + row if left else row + gap

        batch = {"input_ids": [fill(r, pad) for r in rows],
                 "attention_mask": [fill([1] * len(r), 0) for r in rows]}
        if family == "bert":
            batch["token_type_ids"] = [fill(t, 0) for t in types]
        return batch

    rows = [single(n * times) for n in (9, 5, 12)]
    pairs = [pair(n * times, m * times) for n, m in ((4, 6), (2, 3), (7, 5))]
    return {
        "unpadded": padded([single(8 * times) for _ in range(3)]),
        "right-padded": padded(rows),
        "left-padded": padded(rows, left=True),
        "pairs": padded([p[0] for p in pairs], [p[1] for p in pairs]),
    }


def tensors(batch):
    return {name: torch.tensor(value) for name, value in batch.items()}


def numbers(tensor):
    """fp32 values as the float64 numbers they are exactly equal to."""
    return tensor.detach().to(torch.float64).tolist()


def dumps(value, level=0):
    """JSON with one line per object entry and per list of objects; number lists stay on one line."""
    gap = " " * (level + 1)
    if isinstance(value, dict) and value:
        items = [f"{gap}{json.dumps(k)}: {dumps(v, level + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * level + "}"
    if isinstance(value, list) and any(isinstance(v, dict) for v in value):
        return "[\n" + ",\n".join(gap + dumps(v, level + 1) for v in value) + "\n" + " " * level + "]"
    return json.dumps(value, ensure_ascii=False)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(value) + "\n", encoding="utf-8")
