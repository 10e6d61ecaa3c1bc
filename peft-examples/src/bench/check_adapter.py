"""Runs a classification adapter through Hugging Face peft, to check adapters that our command line wrote.

    python check_adapter.py --model BASE_DIR --adapter ADAPTER_DIR --input rows.jsonl --output logits.jsonl \
        [--compare ours.jsonl --tolerance 1e-4]

Each input line is {"text": …}, {"text": …, "text_pair": …} or {"input_ids": […]}; each output line {"logits": […]}.
The number of labels is the adapter's saved head's, else the base's. Every tensor of the adapter file must be one that
peft itself would save for this config, and the reverse, with equal values once loaded; otherwise it exits with a
sentence that names the keys. --compare also fails when the logits of another file differ by more than --tolerance.
Needs torch, transformers, peft.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

from hf_common import load_classifier, load_tokenizer

HEADS = ("classifier", "classifier.out_proj")


def num_labels(adapter, model_folder):
    for head in HEADS:
        weight = adapter.get(f"base_model.model.{head}.weight")
        if weight is not None:
            return weight.shape[0]
    config = json.loads((Path(model_folder) / "config.json").read_text())
    return config.get("num_labels") or len(config.get("id2label", "ab"))


def load_strictly(model_folder, adapter_folder):
    """The base with the adapter in eval mode; exits when the adapter's file is not exactly what peft expects."""
    file = Path(adapter_folder) / "adapter_model.safetensors"
    adapter = load_file(file)
    torch.manual_seed(0)  # for a head that neither folder holds
    base = load_classifier(model_folder, num_labels(adapter, model_folder), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter_folder).eval()
    expected = get_peft_model_state_dict(model)
    # with bias="all" peft repeats a saved module's bias under names that only its own wrapper knows
    aliases = {k for k in expected if ".modules_to_save." in k or ".original_module." in k}
    missing = sorted(set(expected) - aliases - set(adapter))
    unexpected = sorted(set(adapter) - set(expected))
    if missing or unexpected:
        raise SystemExit(f"{file}: missing keys {missing}, unexpected keys {unexpected}")
    unequal = sorted(k for k in adapter if not torch.equal(adapter[k].float(), expected[k].float()))  # NaN too
    if unequal:
        raise SystemExit(f"{file}: peft did not load {unequal} as stored")
    return model


def logits_of(model, tokenizer, row):
    types = None
    if "input_ids" in row:
        ids = row["input_ids"]
    else:
        pair = (row["text_pair"],) if "text_pair" in row else ()
        encoding = tokenizer().encode(row["text"], *pair)
        ids, types = encoding.ids, encoding.type_ids
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    types = row.get("token_type_ids", types)
    if types is not None and getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.tensor([types])
    with torch.inference_mode():
        return model(**inputs).logits[0].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--compare", help="another file of logits for the same rows")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--max-length", type=int, default=128)
    args = parser.parse_args()
    model = load_strictly(args.model, args.adapter)
    loaded = []

    def tokenizer():
        if not loaded:
            loaded.append(load_tokenizer(args.model, args.max_length))
        return loaded[0]

    rows = [json.loads(line) for line in Path(args.input).read_text(encoding="utf-8").splitlines() if line.strip()]
    results = [logits_of(model, tokenizer, row) for row in rows]
    Path(args.output).write_text("".join(json.dumps({"logits": r}) + "\n" for r in results))
    if args.compare:
        theirs = [json.loads(line)["logits"] for line in Path(args.compare).read_text().splitlines() if line.strip()]
        if [len(r) for r in theirs] != [len(r) for r in results]:
            raise SystemExit(f"{args.compare}: {len(theirs)} rows of logits, not the {len(results)} expected")
        worst = max(abs(a - b) for ours, other in zip(results, theirs) for a, b in zip(ours, other))
        print(f"largest difference {worst:.2e} over {len(results)} rows")
        if not worst <= args.tolerance:
            raise SystemExit(f"{args.compare}: logits differ by {worst:.2e}, more than {args.tolerance:g}")


if __name__ == "__main__":
    main()
