"""Loads checkpoints that we exported with transformers and compares logits.

    python check_export.py CHECKPOINT [CHECKPOINT ...] [--like BASE+ADAPTER ...]

--like names, in the same order, the base and the peft folder whose logits each checkpoint should have (fp32). Exits with 1
if a logit differs by more than 1e-4, or a weight is missing or left over. Needs torch, transformers, peft.
"""

import argparse
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def logits(model, ids):
    with torch.no_grad():
        return model.eval()(ids).logits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--like", nargs="+", required=True)
    args = parser.parse_args()
    failed = False
    for folder, like in zip(args.checkpoints, args.like, strict=True):
        base, _, adapter = like.partition("+")
        expected = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        if adapter:
            expected = PeftModel.from_pretrained(expected, adapter)
        model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        ids = torch.randint(3, model.config.vocab_size, (2, 24), generator=torch.Generator().manual_seed(0))
        difference = (logits(model, ids) - logits(expected, ids)).abs().max().item()
        bad = {k: v for k, v in info.items() if v}
        print(f"{folder}: largest difference {difference:.1e}{', ' + str(bad) if bad else ''}")
        failed |= difference > 1e-4 or bool(bad)
    sys.exit(failed)


if __name__ == "__main__":
    main()
