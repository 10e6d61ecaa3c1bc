"""A training of ten steps in which Hugging Face peft moves AdaLoRA's budget.

    python peft-core/src/test/python/make_adalora.py        (after make_decoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Writes src/test/resources/golden/adalora/:
start/, end/    the adapter before and after, as peft saves it; end/adapter_config.json has the rank pattern
golden.json     {"base", "inputs", "labels", "tokens", "rate": AdamW's, "losses": of each step, the regularization in it}
"""

import os
import shutil
import warnings

import torch
from peft import AdaLoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from make_decoders import padded, rows
from tiny import GOLDEN, tensors, write_json

ROOT = GOLDEN / "adalora"
STEPS, RATE = 10, 0.02


def main():
    os.chdir(GOLDEN)
    shutil.rmtree(ROOT, ignore_errors=True)
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained("decoders/llama", attn_implementation="eager")
    config = AdaLoraConfig(init_r=4, target_r=2, tinit=2, tfinal=2, deltaT=2, total_step=STEPS, lora_alpha=8,
                           orth_reg_weight=0.3, target_modules=["q_proj", "v_proj", "down_proj"],
                           task_type="CAUSAL_LM")
    model = get_peft_model(base, config).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(ROOT / "start")
    batch = padded(rows(5, (12, 7, 4, 9)))
    labels = [[t if m and i >= 3 else -100 for i, (t, m) in enumerate(zip(ids, mask))]
              for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE, weight_decay=0.0)
    losses = []
    for step in range(1, STEPS + 1):
        loss = model(**tensors(batch), labels=torch.tensor(labels)).loss
        loss.backward()
        optimizer.step()
        model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
        losses.append(loss.item())
    model.save_pretrained(ROOT / "end")
    for name in ("start", "end"):
        (ROOT / name / "README.md").unlink()
    write_json(ROOT / "golden.json", {
        "base": "decoders/llama", "inputs": batch, "labels": labels, "rate": RATE, "losses": losses,
        "tokens": sum(t != -100 for row in labels for t in row)})


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
