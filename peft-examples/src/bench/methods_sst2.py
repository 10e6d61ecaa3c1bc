"""Every method on SST-2: accuracy, step time and trained numbers in one table, beside Hugging Face peft for some.

    python methods_sst2.py --jar peft.jar --model MINILM_DIR --train train.tsv --test test.tsv --out DIR
        [--rows 4000] [--only lora,ia3] [--hf lora,ia3,ln-tuning,prefix-tuning] [--bf16] [--every 4] [--java java]

One epoch of batches of 32 in float32 (or bfloat16), linear schedule with 6 % warm-up, no weight decay, the same rows in the same
order everywhere. Hyperparameters are the papers' or peft's defaults; of two to three rates those are in METHODS that
did best on dev.tsv, which is neither train.tsv nor test.tsv. Step times are processor
time, which other programs on the machine disturb least, after 10 steps; LoRA is run again after every few methods, and
a method's ratio is to the mean of the LoRA runs before and after it. Writes DIR/table.md, and keeps single results, from
which a second run goes on where the first was stopped. Needs the packages of hf_sst2.py, a JDK and the jar.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TASK = {"task_type": "SEQ_CLS"}
ATTENTION = {"target_modules": ["query", "value"]}
LORA = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "lora_dropout": 0.0} | ATTENTION
BOTTLENECK = {"peft_type": "BOTTLENECK"}
HOULSBY = BOTTLENECK | {"original_ln_before": False, "mh_adapter": True, "non_linearity": "swish"}
PARALLEL = BOTTLENECK | {"original_ln_before": False, "reduction_factor": 2, "init_weights": "mam_adapter",
                         "is_parallel": True, "scaling": 4.0}
PREFIX = {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 20}

# name: (what it says of itself, rate, config, or configs of a mix by name)
METHODS = {
    "lora": ("LoRA, rank 8, query and value", 2e-3, LORA),
    "dora": ("DoRA, likewise", 2e-3, LORA | {"use_dora": True}),
    "adalora": ("AdaLoRA, rank 12 to 8", 1e-2, {
        "peft_type": "ADALORA", "init_r": 12, "target_r": 8, "tinit": 12, "tfinal": 25, "deltaT": 1, "lora_alpha": 16,
        "total_step": 125} | ATTENTION),
    "vera": ("VeRA, rank 256", 3e-2, {"peft_type": "VERA", "r": 256} | ATTENTION),
    "loha": ("LoHa, rank 8", 1e-2, {"peft_type": "LOHA", "r": 8, "alpha": 8} | ATTENTION),
    "lokr": ("LoKr, rank 8", 1e-2, {"peft_type": "LOKR", "r": 8, "alpha": 8} | ATTENTION),
    "ia3": ("(IA)³, defaults", 1e-2, {"peft_type": "IA3"}),
    "ln-tuning": ("layer norms", 1e-2, {"peft_type": "LN_TUNING", "target_modules": ["LayerNorm"]}),
    "bitfit": ("BitFit, all biases", 5e-3, {"peft_type": "BITFIT"}),
    "prefix-tuning": ("prefix of 20", 1e-2, PREFIX),
    "prompt-tuning": ("prompt of 20", 1e-1, {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 20}),
    "p-tuning": ("P-tuning, MLP, 20 tokens", 1e-2, {
        "peft_type": "P_TUNING", "num_virtual_tokens": 20, "encoder_hidden_size": 128}),
    "houlsby": ("Houlsby bottlenecks, 1/16", 2e-3, HOULSBY),
    "pfeiffer": ("Pfeiffer bottlenecks, 1/16", 2e-3, BOTTLENECK),
    "parallel": ("parallel bottlenecks, 1/2, × 4", 1e-3, PARALLEL),
    "mam": ("MAM: prefix of 30 + parallel bottlenecks", 1e-3, {
        "prefix": PREFIX | {"num_virtual_tokens": 30}, "bottleneck": PARALLEL | TASK}),
    "unipelt": ("UniPELT: LoRA, a prefix of 10, Pfeiffer bottlenecks, each gated", 2e-3, {
        "lora": {"peft_type": "GATED_LORA"}, "prefix": {"peft_type": "GATED_PREFIX", "prefix_length": 10},
        "bottleneck": BOTTLENECK | {"use_gating": True} | TASK}),
    "lora+bottleneck": ("a mix: LoRA + Pfeiffer bottlenecks", 1e-3, {"lora": LORA, "bottleneck": BOTTLENECK | TASK}),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", required=True)
    parser.add_argument("--java", default="java")
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--only", default=",".join(METHODS))
    parser.add_argument("--hf", default="lora,ia3,ln-tuning,prefix-tuning")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16, theirs under autocast")
    parser.add_argument("--every", type=int, default=4, help="methods between two runs of LoRA")
    return parser.parse_args()


def write_config(folder, config):
    parts = {"": config | TASK} if "peft_type" in config else config
    for name, part in parts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "adapter_config.json").write_text(json.dumps(part, indent=1) + "\n")
    if "" not in parts:
        (folder / "mix.json").write_text(json.dumps({"adapters": list(parts)}) + "\n")
    return folder


class Runs:
    def __init__(self, args):
        self.args = args
        args.out.mkdir(parents=True, exist_ok=True)
        available = sum(1 for _ in open(args.train, encoding="utf-8")) - 1
        self.order = args.out / "order.txt"
        self.order.write_text("\n".join(map(str, random.Random(0).sample(range(available), args.rows))) + "\n")

    def run(self, key, side, name):
        """The result of a run, which is not done again if there is one."""
        result = self.args.out / f"{key}.json"
        if not result.exists():
            _, rate, config = METHODS[name]
            config = write_config(self.args.out / "configs" / name, config)
            common = ["--model", self.args.model, "--train", self.args.train, "--test", self.args.test, "--order",
                      str(self.order), "--rows", str(self.args.rows), "--lr", str(rate), "--adapter-config", str(config)]
            command = ([self.args.java, "-Xmx256m", "-jar", self.args.jar, "bench", *common, "--output", str(result)]
                       if side == "ours" else
                       [sys.executable, str(HERE / "hf_sst2.py"), *common, "--json", str(result)])
            if self.args.bf16:
                command += ["--bf16"] if side == "ours" else ["--dtype", "bf16-autocast"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(result.read_text())
        print(f"{key}: accuracy {found['accuracy']:.4f}, {found['step_cpu_ms']:.0f} ms of processor a step,"
              f" {found['step_ms']:.0f} ms", flush=True)
        return found


def main():
    args = arguments()
    runs = Runs(args)
    names = args.only.split(",")
    lines = ["| method | rate | trained | accuracy | step, of LoRA's | HF peft: accuracy | step, of ours |",
             "|---|---|---|---|---|---|---|"]
    for start in range(0, len(names), args.every):
        group = names[start:start + args.every]
        before = runs.run(f"lora-{start}", "ours", "lora")
        ours = {name: runs.run(name, "ours", name) for name in group}
        theirs = {name: runs.run("hf-" + name, "hf", name) for name in group if name in args.hf.split(",")}
        after = runs.run(f"lora-{start + args.every}", "ours", "lora")
        lora = statistics.mean(run["step_cpu_ms"] for run in (before, after))
        for name in group:
            about, rate, _ = METHODS[name]
            hf = (f"{theirs[name]['accuracy']:.3f} | {theirs[name]['step_cpu_ms'] / ours[name]['step_cpu_ms']:.2f}×"
                  if name in theirs else " | ")
            lines.append(f"| {about} | {rate:g} | {ours[name]['trainable']:,} | {ours[name]['accuracy']:.3f}"
                         f" | {ours[name]['step_cpu_ms'] / lora:.2f}× | {hf} |")
        (args.out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
