"""Every method on a pretrained decoder: trained by our command line, loaded by Hugging Face peft, with equal results.

    python methods_causal.py --jar peft.jar --model STORIES_DIR --text tinyshakespeare.txt --out DIR [--only lora,ia3]

For each method of methods_sst2.py that peft has: train --task causal-lm on pieces of the text, score other pieces with
what was saved, and score them with peft, which loads the same folder. Prints the losses of the first and last steps,
and the largest difference of a token's log-probability. Needs torch, transformers, peft, a JDK and the jar.
"""

import argparse
import json
import subprocess
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from methods_sst2 import METHODS

LOCAL = {"target_modules": None, "feedforward_modules": None, "task_type": "CAUSAL_LM"}
SETTINGS = {"adalora": {"total_step": None}, "prefix-tuning": {"num_virtual_tokens": 6},
            "prompt-tuning": {"num_virtual_tokens": 6}, "p-tuning": {"num_virtual_tokens": 6}}
RATES = {"ia3": 2e-2, "vera": 5e-2, "prefix-tuning": 2e-2, "prompt-tuning": 5e-2, "ln-tuning": 1e-2}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", required=True)
    parser.add_argument("--java", default="java")
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only", default=",".join(
        n for n, (_, _, c) in METHODS.items() if c.get("peft_type") not in (None, "BOTTLENECK", "BITFIT")))
    return parser.parse_args()


def peft(args, *arguments):
    subprocess.run([args.java, "-Xmx256m", "-jar", args.jar, *map(str, arguments)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def theirs(args, folder, rows):
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, folder).eval()
    found = []
    with torch.no_grad():
        for row in rows:
            ids = torch.tensor([row["input_ids"]])
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -ids.shape[1]:]
            log_probs = logits.log_softmax(-1)[0, :-1]
            found.append(log_probs.gather(1, ids[0, 1:, None]).squeeze(1).tolist())
    return found


def one(args, name, train, score, rows):
    config = {k: v for k, v in METHODS[name][2].items() if k not in ("peft_type", *LOCAL)} | SETTINGS.get(name, {})
    settings = args.out / f"{name}.json"
    settings.write_text(json.dumps(config))
    output = args.out / name
    method = "lora" if name == "dora" else name
    peft(args, "train", "--task", "causal-lm", "--model", args.model, "--data", train, "--method", method,
         "--method-config", settings, "--output", output, "--max-steps", 60, "--batch-size", 8,
         "--learning-rate", RATES.get(name, 5e-3), "--json")
    losses = [json.loads(line)["loss"] for line in (output / "metrics.jsonl").read_text().splitlines()
              if "loss" in json.loads(line)]
    first, last = (sum(part) / 10 for part in (losses[:10], losses[50:60]))
    peft(args, "score", "--model", args.model, "--adapter", output, "--input", score, "--output",
         args.out / f"{name}.scores.jsonl")
    ours = [json.loads(line)["token_logprobs"] for line in (args.out / f"{name}.scores.jsonl").read_text().splitlines()]
    difference = max(abs(a - b) for x, y in zip(ours, theirs(args, output, rows), strict=True)
                     for a, b in zip(x, y, strict=True))
    print(f"| {name} | {first:.3f} to {last:.3f} | {difference:.1e} |", flush=True)
    assert last < first, f"{name} has not learned"
    assert difference < 1e-4, f"{name}: peft differs by {difference}"


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    text = Path(args.text).read_text(encoding="utf-8")
    train, score = args.out / "train.jsonl", args.out / "score.jsonl"
    train.write_text("".join(json.dumps({"text": text[i * 200:(i + 1) * 200]}) + "\n" for i in range(160)))
    generator = torch.Generator().manual_seed(0)
    rows = [{"input_ids": torch.randint(3, 512, (n,), generator=generator).tolist()} for n in (12, 30, 7, 64)]
    score.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print("| method | loss, first to last 10 of 60 steps | peft differs by |\n|---|---|---|")
    for name in args.only.split(","):
        one(args, name, train, score, rows)


if __name__ == "__main__":
    main()
