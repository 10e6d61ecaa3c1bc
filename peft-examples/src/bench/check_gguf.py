"""Reads an adapter that we exported to GGUF with ggml's own reader, and compares its updates with the peft folder's.

    python check_gguf.py adapter.gguf PEFT_FOLDER --heads N --key-heads N

Prints the largest difference of alpha / rank * b a from scaling * B A (rows of q and k put back in Hugging Face's order, which
llama.cpp has otherwise for Llama and Mistral; 0 heads for families it leaves alone). Exits with 1 above 1e-5. Needs gguf,
peft, torch.
"""

import argparse
import re
import sys

import numpy as np
from gguf import GGUFReader
from peft import LoraConfig
from peft.utils.other import get_pattern_key
from safetensors.numpy import load_file

NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("adapter")
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--key-heads", type=int, required=True)
    args = parser.parse_args()
    reader = GGUFReader(args.gguf)
    alpha = float(reader.fields["adapter.lora.alpha"].parts[-1][0])
    tensors = {t.name: t.data for t in reader.tensors}
    config = LoraConfig.from_pretrained(args.adapter)
    weights = load_file(f"{args.adapter}/adapter_model.safetensors")
    worst = 0.0
    for key, a in weights.items():
        match = re.search(r"(model\.layers\.(\d+)\.\S+?\.(\w+_proj))\.lora_A\.weight$", key)
        if not match:
            continue
        b = weights[key.replace("lora_A", "lora_B")]
        module, rank = match[1], len(a)
        module_alpha = config.alpha_pattern.get(get_pattern_key(config.alpha_pattern, module), config.lora_alpha)
        expected = module_alpha / (rank ** 0.5 if config.use_rslora else rank) * b @ a
        name = f"blk.{match[2]}.{NAMES[match[3]]}.weight"
        found = alpha / rank * tensors[name + ".lora_b"] @ tensors[name + ".lora_a"]
        heads = {"q_proj": args.heads, "k_proj": args.key_heads}.get(match[3], 0)
        if heads:
            half = len(found) // heads // 2
            found = found.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(found.shape)
        worst = max(worst, np.abs(found - expected).max())
    print(f"{args.gguf}: {len(tensors)} tensors, largest difference {worst:.1e}")
    sys.exit(worst > 1e-5)


if __name__ == "__main__":
    main()
