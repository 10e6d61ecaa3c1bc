"""Does llama.cpp compute with an adapter that we exported what Hugging Face peft computes with its folder?

    python convert_hf_to_gguf.py MODEL --outtype f32 --outfile model.gguf        (llama.cpp's own script)
    java -jar peft-examples/target/peft.jar export --model MODEL --adapter ADAPTER --gguf adapter.gguf
    python peft-examples/src/bench/check_llama_cpp.py MODEL ADAPTER model.gguf adapter.gguf prompts.jsonl --bin DIR

DIR holds llama-debug and llama-completion. Needs torch, transformers and peft. Each line of prompts.jsonl is {"prompt": text}. For
each it compares the logits after the prompt, with and without the adapter, and the text of 64 greedy tokens. Exits with 1 if
logits differ by more than 1e-4 of their spread, or a text does.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from check_generation import lines, load

TOKENS = 64
TOLERANCE = 1e-4
EXACT = ("-t", 1, "-ctk", "f32", "-ctv", "f32", "-fa", "off")  # by default keys and values are kept as float16


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{program}: {done.stderr[-2000:]}")
    return done.stdout


def logits_of(program, model, lora, prompt):
    with tempfile.TemporaryDirectory() as folder:
        run(program, "-m", model, *lora, "-p", prompt, *EXACT, "--save-logits", "--logits-output-dir", folder)
        return np.fromfile(Path(folder) / f"llamacpp-{Path(model).stem}.bin", dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("folder", "adapter", "model", "lora", "prompts"):
        parser.add_argument(name)
    parser.add_argument("--bin", type=Path, required=True)
    args = parser.parse_args()
    wrong = False
    for adapter, lora in (("-", []), (args.adapter, ["--lora", args.lora])):
        tokenizer, model = load(args.folder, adapter)
        for row in lines(args.prompts):
            ids = torch.tensor([tokenizer(row["prompt"]).input_ids])
            with torch.inference_mode():
                expected = model(ids).logits[0, -1].numpy()
            found = logits_of(args.bin / "llama-debug", args.model, lora, row["prompt"])
            worst = np.abs(found - expected).max() / expected.std()
            grown = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS)[0]
            text = tokenizer.decode(grown[ids.shape[1]:], skip_special_tokens=True)
            said = run(args.bin / "llama-completion", "-m", args.model, *lora, "-p", row["prompt"], "-n", TOKENS,
                       *EXACT, "--temp", 0, "-no-cnv", "--no-display-prompt", "--no-warmup")
            same = said.replace("[end of text]", "").strip() == text.strip()
            wrong |= worst > TOLERANCE or not same
            print(f"{'with' if lora else 'without'} adapter, {row['prompt'][:20]!r}: logits differ by {worst:.1e} of their "
                  f"spread, {TOKENS} greedy tokens " + ("are the same" if same else f"DIFFER: {said!r}, {text!r}"))
    sys.exit(wrong)


main()
