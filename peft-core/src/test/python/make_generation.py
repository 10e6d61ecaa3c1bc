"""What Hugging Face generates with a really pretrained model, and how it limits what is drawn from.

    PEFT4J_SHARED=DIR python peft-core/src/test/python/make_generation.py

needs torch and transformers (made with 2.13 and 5.18) and DIR/models/stories260k. Writes
src/test/resources/golden/generation/:
stories260k.json   {"prompts": texts, "ids": their tokens, "greedy": tokens added to each, all in one batch,
                    "texts": the same as text, "penalized": with repetition_penalty 1.3,
                    "score": {"text", "ids", "log_probs": of all tokens but the first, "bfloat16": the same in bfloat16}}
limits.json        {"logits", "cases": [{"temperature", "top_k", "top_p", "min_p", "probabilities"}]}
"""

import os
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation.logits_process import (
    MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

from tiny import GOLDEN, numbers, write_json

ROOT = GOLDEN / "generation"
PROMPTS = ["Once upon a time", "The dog", "One day, a little girl named Lily found a needle in her room. She",
           "Tom and Sam went to the park to play. They saw a big tree"]
TEXT = ("Once upon a time, there was a boy named Tim. Tim had a red ball. He loved to play with it in the park. "
        "One day, a big dog took the ball and ran away. Tim was sad, but his mom gave him a hug and a new ball.")


def stories():
    folder = Path(os.environ.get("PEFT4J_SHARED", "../shared")) / "models" / "stories260k"
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def load(dtype):
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()

    def log_probs(model, ids):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].float()
        return logits[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]

    model = load(torch.float32)
    ids = [tokenizer(prompt).input_ids for prompt in PROMPTS]
    batch = tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt")
    results = {}
    for name, extra in {"greedy": {}, "penalized": {"repetition_penalty": 1.3}}.items():
        if extra:  # padding would count as a repeated token
            grown = [model.generate(torch.tensor([row]), max_new_tokens=48, do_sample=False, eos_token_id=None,
                                    pad_token_id=2, **extra)[0, len(row):].tolist() for row in ids]
        else:
            grown = model.generate(**batch, max_new_tokens=96, do_sample=False, eos_token_id=None, pad_token_id=2)
            grown = grown[:, batch["input_ids"].shape[1]:].tolist()
        results[name] = grown
    texts = [tokenizer.decode(a + b, skip_special_tokens=True)[len(tokenizer.decode(a, skip_special_tokens=True)):]
             for a, b in zip(ids, results["greedy"])]
    score = tokenizer(TEXT).input_ids
    write_json(ROOT / "stories260k.json", {
        "prompts": PROMPTS, "ids": ids, **results, "texts": texts,
        "score": {"text": TEXT, "ids": score, "log_probs": numbers(log_probs(model, score)),
                  "bfloat16": numbers(log_probs(load(torch.bfloat16), score))}})


def limits():
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(1, 40, generator=generator)
    cases = []
    for temperature, k, p, m in [(1, 0, 1, 0), (0.7, 0, 1, 0), (1, 5, 1, 0), (1, 0, 0.8, 0), (1, 0, 1, 0.2),
                                 (1.5, 10, 0.9, 0.05), (0.3, 40, 0.5, 0.9), (1, 1, 0.01, 1)]:
        warpers = [TemperatureLogitsWarper(float(temperature))]
        warpers += [TopKLogitsWarper(k)] if k else []
        warpers += [TopPLogitsWarper(p)] if p < 1 else []
        warpers += [MinPLogitsWarper(m)] if m else []
        scores = logits
        for warper in warpers:
            scores = warper(None, scores)
        cases.append({"temperature": temperature, "top_k": k, "top_p": p, "min_p": m,
                      "probabilities": numbers(scores.softmax(-1)[0])})
    write_json(ROOT / "limits.json", {"logits": numbers(logits[0]), "cases": cases})


if __name__ == "__main__":
    limits()
    stories()
