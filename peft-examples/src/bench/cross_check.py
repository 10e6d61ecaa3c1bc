"""Adapters across the two libraries: trained by our command line and run by HF peft, and the other way round.

    python cross_check.py --jar peft.jar --model MINILM_DIR --data FILE.tsv --out DIR [--java java]

For every combination the logits of both sides must agree within 1e-4 (fp32); exits 1 if one does not.
Needs the packages of make_adapters.py, a JDK and the jar (mvn package).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TOLERANCE = 1e-4
OURS = {
    "lora": [],
    "rslora": ["--use-rslora"],
    "dora": ["--use-dora"],
    "patterns": ["--rank-pattern", "query=4", "--alpha-pattern", "layer.1.attention.self.value=6"],
    "modules-to-save": ["--modules-to-save", "pooler.dense"],
    "bias-all": ["--bias", "all"],
    "bias-lora-only": ["--bias", "lora_only"],
    "embeddings": ["--target-modules", "word_embeddings,position_embeddings,query"],
    "embeddings-dora": ["--target-modules", "word_embeddings,query", "--use-dora"],
    "all-linear": ["--target-modules", "all-linear"],
    "layers": ["--layers-to-transform", "0,2", "--layers-pattern", "layer", "--target-modules", "query,value"],
    "lora-bias": ["--lora-bias"],
    "pissa": ["--init-lora-weights", "pissa"],
    "olora": ["--init-lora-weights", "olora"],
    "gaussian": ["--init-lora-weights", "gaussian"],
}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def distance(a, b):
    rows = [[json.loads(line)["logits"] for line in Path(file).read_text().splitlines()] for file in (a, b)]
    assert len(rows[0]) == len(rows[1]) > 0, (a, b)
    return max(abs(x - y) for p, q in zip(*rows) for x, y in zip(p, q))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", required=True)
    parser.add_argument("--java", default="java")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args()
    peft = [args.java, "-jar", args.jar]
    worst = 0.0

    theirs = args.out / "theirs"
    run([sys.executable, HERE / "make_adapters.py", "--model", args.model, "--output", theirs])
    inputs = theirs / "input.jsonl"
    for folder in sorted(path for path in theirs.iterdir() if path.is_dir()):
        run([*peft, "predict", "--model", args.model, "--adapter", folder, "--input", inputs,
             "--output", folder / "ours.jsonl"])
        d = distance(folder / "ours.jsonl", folder / "logits.jsonl")
        worst = max(worst, d)
        print(f"HF peft -> ours, {folder.name}: {d:.1e}", flush=True)

    for name, options in OURS.items():
        folder = args.out / "ours" / name
        run([*peft, "train", "--model", args.model, "--data", args.data, "--output", folder, "--max-steps", "6",
             "--learning-rate", "5e-3", "--eval-split", "0", "--json", *options])
        run([*peft, "predict", "--model", args.model, "--adapter", folder, "--input", inputs,
             "--output", folder / "ours.jsonl"])
        run([sys.executable, HERE / "check_adapter.py", "--model", args.model, "--adapter", folder, "--input", inputs,
             "--output", folder / "theirs.jsonl"])
        d = distance(folder / "ours.jsonl", folder / "theirs.jsonl")
        worst = max(worst, d)
        print(f"ours -> HF peft, {name}: {d:.1e}", flush=True)

    print(f"largest difference of logits {worst:.1e}")
    sys.exit(0 if worst < TOLERANCE else 1)


if __name__ == "__main__":
    main()
