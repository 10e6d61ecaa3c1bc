"""Does Hugging Face give texts the perplexity that we give them, with the same base and adapter?

    java -jar peft-examples/target/peft.jar score --model MODEL [--adapter ADAPTER] --input rows.jsonl --output ours.jsonl
    python peft-examples/src/bench/check_score.py MODEL ADAPTER rows.jsonl ours.jsonl      (ADAPTER - for the bare base)

needs torch, transformers and peft. Each line of rows.jsonl is {"text": text}. Prints both perplexities and the largest difference
of a token's log-probability, and exits with 1 if that is above 1e-4.
"""

import math
import sys

import torch

from check_generation import lines, load

TOLERANCE = 1e-4


def main():
    folder, adapter, rows, ours = sys.argv[1:]
    tokenizer, model = load(folder, adapter)
    worst, theirs, here, tokens = 0.0, 0.0, 0.0, 0
    for row, answer in zip(lines(rows), lines(ours), strict=True):
        found = answer["token_logprobs"]
        ids = tokenizer(row["text"]).input_ids
        if len(ids) == len(found):  # the end of the text is scored too
            ids = ids + [tokenizer.eos_token_id]
        with torch.inference_mode():
            values = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        expected = values.gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
        if len(expected) != len(found):
            sys.exit(f"{row['text'][:40]!r}: {len(found)} tokens here, {len(expected)} there")
        worst = max(worst, max(abs(a - b) for a, b in zip(expected, found)))
        theirs, here, tokens = theirs - sum(expected), here - sum(found), tokens + len(found)
    print(f"{tokens} tokens: perplexity {math.exp(here / tokens):.4f}, Hugging Face {math.exp(theirs / tokens):.4f}; "
          f"log-probabilities differ by at most {worst:.1e}")
    sys.exit(worst > TOLERANCE)


main()
