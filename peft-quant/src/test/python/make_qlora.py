"""A tiny model, and what Hugging Face peft on bitsandbytes' CPU backend computes with it in 4 bits.

    python peft-quant/src/test/python/make_qlora.py

needs torch, transformers, peft and bitsandbytes (made with 2.13, 5.18, 0.21 and 0.50.2.dev0).
Writes src/test/resources/io/peft4j/quant/qlora/:
base/            a random bfloat16 Llama, dense
adapter/         LoRA on all linear layers as peft saves it, both factors random
sequences.json   sequences of tokens, in the order in which they are seen
MODE.json        {"loss": of the first batch, "curve": the loss of each step of AdamW}
MODE.safetensors the gradient of each factor in the first batch
where MODE is
bf16             everything in bfloat16, NF4 with double quantization
kbit             after prepare_model_for_kbit_training: float32, but for the products with packed weights
float32          the same, those products in float32 too, and the weights, which are not rounded again
"""

import json
import os
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)
ROOT = Path(__file__).parents[1] / "resources/io/peft4j/quant/qlora"
VOCAB, LENGTH, BATCH, STEPS, RATE = 128, 24, 4, 50, 3e-3


def sequences():
    generator = torch.Generator().manual_seed(5)
    starts = torch.randint(0, VOCAB, (BATCH * STEPS,), generator=generator).tolist()
    return [[(start + (1 + i % 3) * t) % VOCAB for t in range(LENGTH)] for i, start in enumerate(starts)]


def make_base():
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=VOCAB, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                         tie_word_embeddings=False, initializer_range=0.1)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(ROOT / "base")
    dense = AutoModelForCausalLM.from_pretrained(ROOT / "base", dtype=torch.bfloat16)
    adapted = get_peft_model(dense, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM",
                                               init_lora_weights=False, base_model_name_or_path="base"))
    adapted.save_pretrained(ROOT / "adapter")
    (ROOT / "adapter/README.md").unlink(missing_ok=True)


def quantized(mode, auto=AutoModelForCausalLM, adapter=ROOT / "adapter", **settings):
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                bnb_4bit_compute_dtype=torch.float32 if mode == "float32" else torch.bfloat16)
    base = auto.from_pretrained(ROOT / "base", quantization_config=config, device_map="cpu",
                                dtype=torch.float32 if mode == "float32" else torch.bfloat16,
                                attn_implementation="eager", **settings)
    if mode != "bf16":
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
    # in eval() bitsandbytes has other kernels
    return PeftModel.from_pretrained(base, adapter, is_trainable=True).train()


def train(trained, losses, gradients):
    """The losses of AdamW's steps, each computed when it is asked for; the first step's gradients go to a file."""
    optimizer = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=0.0)
    curve = []
    for loss in losses:
        loss.backward()
        if not curve:
            save_file({name: p.grad.clone() for name, p in trained.items()}, gradients)
        optimizer.step()
        optimizer.zero_grad()
        curve.append(loss.item())
    return curve


def run(mode, rows):
    model = quantized(mode)
    factors = {name.replace(".default", ""): p for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.dtype == torch.float32 for p in factors.values())
    batches = [torch.tensor(rows[i:i + BATCH]) for i in range(0, STEPS * BATCH, BATCH)]
    losses = (model(input_ids=batch, labels=batch).loss for batch in batches)
    curve = train(factors, losses, ROOT / f"{mode}.safetensors")
    (ROOT / f"{mode}.json").write_text(json.dumps({"loss": curve[0], "rate": RATE, "curve": curve}) + "\n")
    print(mode, curve[0], curve[24], curve[-1])


if __name__ == "__main__":
    ROOT.mkdir(parents=True, exist_ok=True)
    make_base()
    rows = sequences()
    (ROOT / "sequences.json").write_text(json.dumps(rows) + "\n")
    for name in ("bf16", "kbit", "float32"):
        run(name, rows)
