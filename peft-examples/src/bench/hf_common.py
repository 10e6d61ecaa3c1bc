"""Shared by the scripts beside it: loading an HF encoder folder and its tokenizer, memory, batches."""

import os
import resource
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from tokenizers import Tokenizer

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def load_classifier(folder, num_labels, **settings):
    """A sequence classifier over the folder's encoder; a head the folder lacks is random (set the seed before)."""
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=num_labels, attn_implementation="sdpa", **settings)


def load_tokenizer(folder, max_length):
    """The folder's tokenizer.json, truncating but not padding (MiniLM's file pads to 128)."""
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def read_tsv(path):
    """Sentences and labels of a file with the header sentence<TAB>label, without quoting."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    if lines[0].split("\t") != ["sentence", "label"]:
        raise SystemExit(f"{path}: expected the header sentence<TAB>label, found {lines[0]!r}")
    rows = [line.rsplit("\t", 1) for line in lines[1:]]
    return [sentence for sentence, _ in rows], [int(label) for _, label in rows]


def collate(rows, pad_id):
    """Rows of token ids, right-padded to the longest of them: input_ids and attention_mask."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def peak_rss_mb():
    """The process's largest resident size so far (VmHWM), in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
