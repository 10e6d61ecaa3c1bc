"""Tiny random causal language models of every family, with what Hugging Face and peft compute with them.

    python peft-core/src/test/python/make_decoders.py

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Writes src/test/resources/golden/decoders/:
NAME/        config.json + weights (as save_pretrained writes them) and golden.json
                 {"cases": [{"name", "inputs": {"input_ids", "attention_mask"}, "log_probs": one list a row: of each
                             real token but the first, given those before}],
                  "bfloat16": the largest difference that bfloat16 makes there to Hugging Face itself,
                  "greedy": {"prompts", "tokens": what generate() adds to each, all prompts in one left-padded batch}}
cls-NAME/    the same with a `score` head: golden.json {"problem_type", "cases": [{"name", "inputs", "logits"}]}
lora-NAME/   adapter_config.json + adapter_model.safetensors: an adapter of all linear layers;
                 golden.json {"base", "inputs", "labels", "loss": mean over labelled tokens, "tokens": how many};
                 grads.safetensors: dloss/dtensor under the names of adapter_model.safetensors
"""

import shutil
import warnings

import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from tiny import GOLDEN, MAX_POSITIONS, VOCAB, numbers, tensors, write_json

ROOT = GOLDEN / "decoders"
PAD = 0

COMMON = dict(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              intermediate_size=48, max_position_embeddings=MAX_POSITIONS, pad_token_id=PAD, bos_token_id=1,
              eos_token_id=None)
GPT2 = dict(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=MAX_POSITIONS, pad_token_id=PAD,
            bos_token_id=1, eos_token_id=None, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
NEOX = {k: v for k, v in COMMON.items() if k != "num_key_value_heads"}
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=24)

# name: (model type, config, settings of save_pretrained, type the weights are stored in)
MODELS = {
    "llama": ("llama", COMMON, {}, None),
    "llama3": ("llama", COMMON | dict(rope_parameters=LLAMA3, tie_word_embeddings=True, attention_bias=True,
                                      mlp_bias=True, num_attention_heads=2, num_key_value_heads=1), {}, None),
    "llama-linear": ("llama", COMMON | dict(rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=4.0),
                                            num_hidden_layers=1), {}, None),
    "llama-sharded": ("llama", COMMON, dict(max_shard_size="30KB"), None),
    "llama-fp16": ("llama", COMMON | dict(num_hidden_layers=1), {}, torch.float16),
    "llama-bf16": ("llama", COMMON | dict(num_hidden_layers=1), {}, torch.bfloat16),
    "mistral": ("mistral", COMMON | dict(sliding_window=4, head_dim=16), {}, None),
    "qwen2": ("qwen2", COMMON | dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=5,
                                     max_window_layers=1), {}, None),
    "qwen3": ("qwen3", COMMON | dict(head_dim=16), {}, None),
    "gemma2": ("gemma2", COMMON | dict(head_dim=16, query_pre_attn_scalar=24, sliding_window=4,
                                       attn_logit_softcapping=2.0, final_logit_softcapping=4.0), {}, None),
    "phi3": ("phi3", COMMON | dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                                                        partial_rotary_factor=0.5)), {}, None),
    "gpt2": ("gpt2", GPT2, {}, None),
    "gpt2-scaled": ("gpt2", GPT2 | dict(scale_attn_by_inverse_layer_idx=True, n_inner=40, n_layer=3), {}, None),
    "gpt-neox": ("gpt_neox", NEOX | dict(num_attention_heads=2), {}, None),
    "gpt-neox-serial": ("gpt_neox", NEOX | dict(use_parallel_residual=False, num_hidden_layers=1,
                                                rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                                                                     partial_rotary_factor=1.0)), {}, None),
    # rows of more than 256 tokens, for which the fused kernel is taken
    "llama-long": ("llama", COMMON | dict(max_position_embeddings=512, num_hidden_layers=1), {}, None),
    "mistral-long": ("mistral", COMMON | dict(max_position_embeddings=512, num_hidden_layers=1, sliding_window=100), {},
                     None),
}
LONG = {"unpadded": (270, 270), "padded": (290, 40, 301, 12)}
CLASSIFIERS = {
    "cls-llama": ("llama", COMMON | dict(num_labels=3, num_hidden_layers=1)),
    "cls-gpt2": ("gpt2", GPT2 | dict(num_labels=2, n_layer=1)),
    "cls-mistral": ("mistral", COMMON | dict(num_labels=1, num_hidden_layers=1, problem_type="regression")),
}
ADAPTED = {"lora-llama": "llama", "lora-gpt2": "gpt2", "lora-phi3": "phi3", "lora-gemma2": "gemma2",
           "lora-llama-long": "llama-long"}


def config(kind, settings):
    return AutoConfig.for_model(kind, attn_implementation="eager", **settings)


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            norm = "norm" in name or ".ln_" in name
            if norm and name.endswith("weight"):
                parameter.copy_((0 if model.config.model_type == "gemma2" else 1) + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return model.eval()


def rows(seed, lengths):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(2, VOCAB, (n,), generator=generator).tolist() for n in lengths]


def padded(sequences, left=False):
    width = max(map(len, sequences))

    def fill(row, value):
        gap = [value] * (width - len(row))
        return gap + row if left else row + gap

    return {"input_ids": [fill(row, PAD) for row in sequences],
            "attention_mask": [fill([1] * len(row), 0) for row in sequences]}


def batches(seed, name=""):
    lengths = LONG if name.endswith("-long") else {"unpadded": (11, 11), "padded": (9, 5, 14, 3)}
    sequences = rows(seed + 1, lengths["padded"])
    return {"unpadded": padded(rows(seed, lengths["unpadded"])), "right-padded": padded(sequences),
            "left-padded": padded(sequences, left=True)}


def log_probs(model, batch):
    inputs = tensors(batch)
    with torch.no_grad():
        values = model(**inputs).logits.float().log_softmax(-1)
    found = []
    for row, ids, mask in zip(values, inputs["input_ids"], inputs["attention_mask"]):
        real = mask.nonzero().flatten()
        found.append(row[real[:-1]].gather(1, ids[real[1:], None])[:, 0])
    return found


def reload(name, dtype):
    """As a user loads it: converting a built model would round its rotary frequencies too."""
    return AutoModelForCausalLM.from_pretrained(ROOT / name, dtype=dtype, attn_implementation="eager").eval()


def language_model(name, seed):
    kind, settings, saving, dtype = MODELS[name]
    model = randomize(AutoModelForCausalLM.from_config(config(kind, settings)), seed)
    model.to(dtype or torch.float32).save_pretrained(ROOT / name, **saving)
    (ROOT / name / "generation_config.json").unlink()
    model = reload(name, torch.float32)
    cases, exact = [], []
    for case, batch in batches(seed, name).items():
        values = log_probs(model, batch)
        exact += values
        cases.append({"name": case, "inputs": batch, "log_probs": [numbers(v) for v in values]})
    prompts = rows(seed + 2, (4, 7, 2))
    batch = padded(prompts, left=True)
    grown = model.generate(**tensors(batch), max_new_tokens=16, do_sample=False, eos_token_id=None)
    tokens = grown[:, len(batch["input_ids"][0]):].tolist()
    half = reload(name, torch.bfloat16)
    rounded = [v for batch in batches(seed, name).values() for v in log_probs(half, batch)]
    worst = max((a - b).abs().max().item() for a, b in zip(exact, rounded))
    write_json(ROOT / name / "golden.json", {
        "cases": cases, "bfloat16": worst, "greedy": {"prompts": prompts, "tokens": tokens}})


def classifier(name, seed):
    kind, settings = CLASSIFIERS[name]
    model = randomize(AutoModelForSequenceClassification.from_config(config(kind, settings)), seed)
    model.save_pretrained(ROOT / name)
    problem = model.config.problem_type
    cases = []
    for case, batch in batches(seed).items():
        with torch.no_grad():
            logits = model(**tensors(batch)).logits
        cases.append({"name": case, "inputs": batch, "logits": numbers(logits)})
    write_json(ROOT / name / "golden.json", {"problem_type": problem, "cases": cases})


def adapted(name, seed):
    base = ADAPTED[name]
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(ROOT / base, attn_implementation="eager")
    model = get_peft_model(model, LoraConfig(r=2, lora_alpha=6, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.eval()  # the bases drop nothing in training either
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(ROOT / name)
    (ROOT / name / "README.md").unlink()
    batch = padded(rows(seed, LONG["padded"] if base.endswith("-long") else (12, 7, 4, 9)))
    labels = [[t if m and i >= 3 else -100 for i, (t, m) in enumerate(zip(ids, mask))]
              for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]
    loss = model(**tensors(batch), labels=torch.tensor(labels)).loss
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    state = get_peft_model_state_dict(model, state_dict={**model.state_dict(), **grads})
    save_file({k: v.contiguous() for k, v in state.items()}, ROOT / name / "grads.safetensors")
    write_json(ROOT / name / "golden.json", {
        "base": f"decoders/{base}", "inputs": batch, "labels": labels, "loss": numbers(loss),
        "tokens": sum(t != -100 for row in labels for t in row)})


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, name in enumerate(MODELS):
        language_model(name, 100 * (i + 1))
    for i, name in enumerate(CLASSIFIERS):
        classifier(name, 5000 + 100 * i)
    for i, name in enumerate(ADAPTED):
        adapted(name, 7000 + 100 * i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
