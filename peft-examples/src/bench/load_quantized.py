"""A random 4-bit model of 1 billion parameters, to see what loading one takes.

    python load_quantized.py DIR

Writes DIR/config.json and DIR/model.safetensors: a Llama of 22 layers x 2,048 (keys 256 wide, feed-forward 5,632, vocabulary 32,000),
NF4 with double quantization, random codes. Then

    java -jar peft.jar score --model DIR ...     or any command; it prints or --json reports the peak of resident memory

Needs numpy and safetensors only.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

LAYERS, HIDDEN, KEYS, INNER, VOCAB = 22, 2048, 256, 5632, 32000
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
       -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]


def quantized(name, out, inner, random):
    n = out * inner
    scales = n // 64
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [out, inner], "nested_blocksize": 256,
             "nested_dtype": "float32", "nested_offset": 0.05}
    return {
        name: random.integers(0, 256, (n // 2, 1), dtype=np.uint8),
        name + ".absmax": random.integers(0, 256, scales, dtype=np.uint8),
        name + ".quant_map": np.array(NF4, np.float32),
        name + ".nested_absmax": np.full((scales + 255) // 256, 0.01, np.float32),
        name + ".nested_quant_map": np.linspace(-1, 1, 256, dtype=np.float32),
        name + ".quant_state.bitsandbytes__nf4": np.frombuffer(json.dumps(state).encode(), np.uint8),
    }


def main(folder):
    random = np.random.default_rng(0)
    tensors = {"model.embed_tokens.weight": (random.standard_normal((VOCAB, HIDDEN)) * 0.02).astype(np.float16),
               "model.norm.weight": np.ones(HIDDEN, np.float16)}
    shapes = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEYS, HIDDEN), "self_attn.v_proj": (KEYS, HIDDEN),
              "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN),
              "mlp.down_proj": (HIDDEN, INNER)}
    for layer in range(LAYERS):
        for module, (out, inner) in shapes.items():
            tensors |= quantized(f"model.layers.{layer}.{module}.weight", out, inner, random)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = np.ones(HIDDEN, np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
              "intermediate_size": INNER, "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": VOCAB,
              "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": True,
              "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16",
              "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
                                      "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16"}}
    (folder / "config.json").write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
