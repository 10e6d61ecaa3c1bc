"""Tiny random BERT, RoBERTa and DistilBERT checkpoints with the logits and losses Hugging Face gives for them.

    python peft-core/src/test/python/make_encoders.py

needs torch and transformers (made with 2.13 and 5.18), writes src/test/resources/golden/encoders/NAME/:
config.json + model.safetensors (as save_pretrained writes them) and golden.json:
    {"family", "problem_type", "cases": [{"name", "inputs": {"input_ids", "attention_mask", "token_type_ids"?},
      "labels", "logits", "loss"}]}      (bare encoder: "last_hidden_state" and "pooler_output" instead)
The folder `bert` also gets a WordPiece tokenizer.json and tokens.json, golden ids for texts and pairs.
"""

import shutil

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from tiny import GOLDEN, VOCAB, batches, config, numbers, randomize, tensors, write_json

ROOT = GOLDEN / "encoders"

SINGLE = dict(problem_type="single_label_classification", num_labels=3)
MULTI = dict(problem_type="multi_label_classification", num_labels=4, num_hidden_layers=1)
REGRESSION = dict(problem_type="regression", num_labels=1, num_hidden_layers=1)

# name: (family, config overrides)
CLASSIFIERS = {
    "bert": ("bert", SINGLE),
    "bert-multilabel": ("bert", MULTI),
    "bert-regression": ("bert", REGRESSION),
    "bert-regression2": ("bert", REGRESSION | dict(num_labels=2)),
    "bert-gelu-new": ("bert", SINGLE | dict(hidden_act="gelu_new", num_hidden_layers=1)),
    "bert-relu": ("bert", SINGLE | dict(hidden_act="relu", num_hidden_layers=1, classifier_dropout=0.3)),
    # as published checkpoints are: no problem_type, transformers derives it from num_labels and the label type
    "bert-untyped": ("bert", dict(num_labels=2, num_hidden_layers=1)),
    "roberta": ("roberta", SINGLE),
    "roberta-multilabel": ("roberta", MULTI),
    "roberta-regression": ("roberta", REGRESSION),
    "distilbert": ("distilbert", SINGLE),
    "distilbert-multilabel": ("distilbert", MULTI),
    "distilbert-regression": ("distilbert", REGRESSION),
    # bases of the training parity tests: nothing is dropped in train mode
    "bert-no-dropout": ("bert", SINGLE | dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)),
    "roberta-no-dropout": ("roberta", SINGLE | dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                                                    num_hidden_layers=1)),
    "distilbert-no-dropout": ("distilbert", SINGLE | dict(dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0,
                                                          num_hidden_layers=1)),
    # rows of more than 256 tokens, whose attention is the fused one
    "bert-long": ("bert", SINGLE | dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                                        max_position_embeddings=512)),
}


def labels_for(problem, num_labels, rows, generator):
    if problem == "multi_label_classification":
        return torch.randint(0, 2, (rows, num_labels), generator=generator).float()
    if problem == "regression":
        return torch.randn(rows if num_labels == 1 else (rows, num_labels), generator=generator)
    return torch.randint(0, num_labels, (rows,), generator=generator)


def classifier(name, seed):
    family, overrides = CLASSIFIERS[name]
    model = randomize(AutoModelForSequenceClassification.from_config(config(family, **overrides)), seed)
    model.save_pretrained(ROOT / name)
    problem = model.config.problem_type  # before forward() fills it in
    generator = torch.Generator().manual_seed(seed + 1)
    cases = []
    for case, batch in batches(family, seed + 2, 30 if name.endswith("-long") else 1).items():
        labels = labels_for(problem, model.config.num_labels, len(batch["input_ids"]), generator)
        with torch.no_grad():
            output = model(**tensors(batch), labels=labels)
        cases.append({"name": case, "inputs": batch, "labels": labels.tolist(),
                      "logits": numbers(output.logits), "loss": numbers(output.loss)})
    write_json(ROOT / name / "golden.json", {"family": family, "problem_type": problem, "cases": cases})


def bare(name, family, seed):
    """Keys without the `bert.` prefix and no classifier: what MiniLM and other sentence encoders are."""
    model = randomize(AutoModel.from_config(config(family, num_hidden_layers=1)), seed)
    model.save_pretrained(ROOT / name)
    cases = []
    for case, batch in batches(family, seed + 2).items():
        with torch.no_grad():
            output = model(**tensors(batch))
        cases.append({"name": case, "inputs": batch, "last_hidden_state": numbers(output.last_hidden_state),
                      "pooler_output": numbers(output.pooler_output)})
    write_json(ROOT / name / "golden.json", {"family": family, "cases": cases})


WORDS = """the a an is was not very and or of to in it this that with for on my but pump monitor device patient
nurse alarm battery screen sensor cable good bad great poor easy hard use works broke fail clear quiet loud never
always""".split()
PIECES = "##s ##ed ##ing ##ly ##er ##est ##ful ##un ##a ##b ##c ##d ##e ##l ##n ##o ##r ##t ##y ##1".split()
CHARACTERS = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-")

TEXTS = [
    "The pump works.",
    "ALARMS failed, loudly!  Never again?",
    "Très facile: the nurse's monitor isn't hard-to-use",
    "xylophone \u4e2d\u6587 battery9",
    "",
]
PAIRS = [["The screen is clear.", "A very good monitor"], ["bad", "the battery was not charged and it broke"]]


def tokenizer():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + PIECES
    tokens += CHARACTERS
    vocab = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    assert len(vocab) <= VOCAB, len(vocab)
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=64, model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    fast.save_pretrained(ROOT / "bert")

    def plain(encoding):
        return {k: encoding[k] for k in ("input_ids", "token_type_ids", "attention_mask")}

    write_json(ROOT / "bert" / "tokens.json", {
        "texts": [{"text": t, **plain(fast(t))} for t in TEXTS],
        "pairs": [{"text": a, "text_pair": b, **plain(fast(a, b))} for a, b in PAIRS],
        "truncated": [{"text": TEXTS[2], "max_length": 8, **plain(fast(TEXTS[2], truncation=True, max_length=8))},
                      {"text": PAIRS[1][0], "text_pair": PAIRS[1][1], "max_length": 8,
                       **plain(fast(*PAIRS[1], truncation=True, max_length=8))}],
        "padded": {"texts": TEXTS[:3], **plain(fast(TEXTS[:3], padding=True))},
    })
    model = AutoModelForSequenceClassification.from_pretrained(ROOT / "bert").eval()
    with torch.no_grad():
        logits = [model(**fast(t, return_tensors="pt")).logits[0] for t in TEXTS]
        logits += [model(**fast(a, b, return_tensors="pt")).logits[0] for a, b in PAIRS]
    write_json(ROOT / "bert" / "text-logits.json", {
        "inputs": [[t] for t in TEXTS] + PAIRS, "logits": [numbers(row) for row in logits]})


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, name in enumerate(CLASSIFIERS):
        classifier(name, 100 * (i + 1))
    bare("bert-bare", "bert", 5000)
    tokenizer()


if __name__ == "__main__":
    main()
