"""What transformers makes of heads that are stored beside tie_word_embeddings, in every family of decoders.

    python peft-core/src/test/python/make_tied.py

needs torch and transformers (made with 2.13 and 5.18) and what make_decoders.py wrote. Writes
src/test/resources/golden/tied.json: {NAME: {"inputs", "own", "only", "equal"}}, each the log-probabilities of
decoders/NAME with "tie_word_embeddings": true and
own    a head of its own: the stored one, or the embedding's rows from the last to the first
only   the embedding stored under the head's name, and none under its own
equal  the embedding stored under both names
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from make_decoders import AutoModelForCausalLM, batches, log_probs
from tiny import GOLDEN, numbers, write_json

HEADS = {"gpt-neox": "embed_out.weight"}
TABLES = {"gpt2": "transformer.wte.weight", "gpt-neox": "gpt_neox.embed_in.weight"}
FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "gpt2", "gpt-neox"]


def variants(name, tensors):
    head, table = HEADS.get(name, "lm_head.weight"), TABLES.get(name, "model.embed_tokens.weight")
    stored = {key: value for key, value in tensors.items() if key not in (head, table)}
    rows = tensors[table]
    yield "own", stored | {table: rows, head: tensors.get(head, rows.flip(0)).contiguous()}
    yield "only", stored | {head: rows}
    yield "equal", stored | {table: rows, head: rows.clone()}


def main():
    found = {}
    for name in FAMILIES:
        source = GOLDEN / "decoders" / name
        batch = batches(31)["unpadded"]
        found[name] = {"inputs": batch}
        for variant, tensors in variants(name, load_file(source / "model.safetensors")):
            with tempfile.TemporaryDirectory() as folder:
                config = json.loads((source / "config.json").read_text()) | {"tie_word_embeddings": True}
                (Path(folder) / "config.json").write_text(json.dumps(config))
                save_file(tensors, Path(folder) / "model.safetensors", {"format": "pt"})
                model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
                found[name][variant] = [numbers(row) for row in log_probs(model.eval(), batch)]
    write_json(GOLDEN / "tied.json", found)


if __name__ == "__main__":
    main()
