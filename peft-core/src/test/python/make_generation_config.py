"""What transformers makes of each key of generation_config.json.

    python peft-core/src/test/python/make_generation_config.py

needs torch and transformers (made with 2.13 and 5.18) and golden/decoders/llama. Writes
src/test/resources/golden/generation/:
keys.json        {"keys": all of GenerationConfig, "defaults": those that generate falls back to}
processors.json  [{"config", "prompt", "steps": [{"token", "logits", "scores"}]}]: the model's logits at each step, the
                 scores that processors and limits made of them (null: minus infinity) and the token then chosen
folders.json     [{"file", "json", "prompt", "tokens" or "error"}]: golden/decoders/llama with "json" as
                 generation_config.json, or over config.json in a folder without one: what is added to the prompt
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

from tiny import GOLDEN, numbers, write_json

ROOT = GOLDEN / "generation"
LLAMA = GOLDEN / "decoders" / "llama"

CASES = [
    {"eos_token_id": 5},
    {"repetition_penalty": 1.7},
    {"repetition_penalty": 0.6},
    {"encoder_repetition_penalty": 1.5},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"encoder_no_repeat_ngram_size": 1},
    {"bad_words_ids": [[3], [7, 8], [5], [11, 3, 4]], "eos_token_id": 5},
    {"sequence_bias": [[[3], -4.0], [[9], 2.5], [[7, 4], 3.0], [[2, 7, 6], 1.5], [[9], 1.0]]},
    {"min_length": 6, "eos_token_id": [5, 9]},
    {"min_new_tokens": 2, "min_length": 9, "eos_token_id": 5},
    {"suppress_tokens": [1, 4, 9, 400]},
    {"begin_suppress_tokens": [2, 6, 9]},
    {"forced_eos_token_id": [5, 6]},
    {"forced_eos_token_id": 5, "max_length": 7},
    {"exponential_decay_length_penalty": [1, 1.4], "eos_token_id": 5},
    {"exponential_decay_length_penalty": [0, 1.2], "eos_token_id": [5, 6]},
    {"remove_invalid_values": True, "suppress_tokens": [3]},
    {"remove_invalid_values": True, "bad_words_ids": [[3]]},
    {"renormalize_logits": True, "repetition_penalty": 1.2},
    {"guidance_scale": 1.8},
    {"guidance_scale": 0.5, "repetition_penalty": 1.3},
    {"do_sample": True},
    {"do_sample": True, "temperature": 0.4, "top_k": 5},
    {"do_sample": True, "top_k": 0, "temperature": 1.9},
    {"do_sample": True, "top_k": None, "top_p": 0.7},
    {"do_sample": True, "top_p": 0.0},
    {"do_sample": True, "min_p": 0.3},
    {"do_sample": True, "top_h": 0.4},
    {"do_sample": True, "top_h": 0.9, "temperature": 2.0},
    {"do_sample": True, "typical_p": 0.5},
    {"do_sample": True, "typical_p": 0.9, "top_k": 12},
    {"do_sample": True, "epsilon_cutoff": 0.05},
    {"do_sample": True, "eta_cutoff": 0.1},
    {"do_sample": True, "eta_cutoff": 0.9},
    {"do_sample": True, "temperature": 1.5, "top_h": 0.95, "top_k": 15, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.95,
     "epsilon_cutoff": 0.001, "eta_cutoff": 0.002, "renormalize_logits": True},
    {"do_sample": True, "guidance_scale": 1.3, "sequence_bias": [[[2], 1.0]], "repetition_penalty": 1.2,
     "no_repeat_ngram_size": 2, "bad_words_ids": [[4]], "min_new_tokens": 1, "eos_token_id": [5, 7],
     "exponential_decay_length_penalty": [1, 1.3], "suppress_tokens": [6],
     "begin_suppress_tokens": [8], "temperature": 0.8},
]


def processors():
    torch.manual_seed(3)
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, vocab_size=20,
        max_position_embeddings=32, initializer_range=0.6, bos_token_id=1, eos_token_id=None, pad_token_id=0)).eval()
    model.generation_config = GenerationConfig(pad_token_id=0)
    results = []
    for case in CASES + [{"forced_bos_token_id": 7}, {"forced_bos_token_id": 7, "begin_suppress_tokens": [2, 4]}]:
        prompt = [11] if "forced_bos_token_id" in case else [11, 3, 7, 3]
        asked = GenerationConfig(**case)
        if asked.max_length is None:
            asked.max_new_tokens = 4
        out = model.generate(torch.tensor([prompt]), generation_config=asked, return_dict_in_generate=True,
                             output_scores=True, output_logits=True)
        steps = [{"token": token, "logits": short(logits[0]), "scores": short(scores[0])}
                 for token, logits, scores in zip(out.sequences[0, len(prompt):].tolist(), out.logits, out.scores)]
        if "guidance_scale" in case:  # a second run of the model: its part is compared by tokens, in folders.json
            for step, scores in zip(steps, guided(model, prompt, out, case["guidance_scale"])):
                step["logits"] = short(scores)
        results.append({"config": {**case, **({} if "max_length" in case else {"max_new_tokens": 4})},
                        "prompt": prompt, "steps": steps})
    write_json(ROOT / "processors.json", results)


def short(scores):
    """Nine digits tell float32 numbers apart."""
    return [None if x == float("-inf") else float(f"{x:.9g}") for x in numbers(scores)]


def guided(model, prompt, out, scale):
    for i, logits in enumerate(out.logits):
        with torch.no_grad():
            unprompted = out.sequences[:, len(prompt) - 1:len(prompt) + i]
            other = model(unprompted).logits[0, -1].log_softmax(-1)
        yield scale * (logits[0].log_softmax(-1) - other) + other


# each alone as generation_config.json of a folder
FILES = [
    {}, {"max_new_tokens": 5}, {"max_length": 9}, {"max_length": 3}, {"max_length": 9, "max_new_tokens": 2},
    {"max_new_tokens": 0}, {"max_new_tokens": None, "max_length": None},
    {"eos_token_id": None, "do_sample": False, "temperature": 0.0, "top_k": -1, "top_p": 7, "typical_p": 0},
    {"do_sample": True, "temperature": 0.0}, {"do_sample": True, "top_k": -1}, {"do_sample": True, "top_k": 1},
    {"do_sample": True, "top_p": -0.5}, {"do_sample": True, "min_p": 2.0}, {"do_sample": True, "top_h": 0.0},
    {"do_sample": True, "typical_p": 0.0},
    {"repetition_penalty": 1.9}, {"repetition_penalty": 0.0}, {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2, "max_new_tokens": 30}, {"encoder_repetition_penalty": 3.0},
    {"encoder_no_repeat_ngram_size": 1}, {"guidance_scale": 2.0, "max_new_tokens": 12},
    {"guidance_scale": 1.0}, {"penalty_alpha": 0.6}, {"penalty_alpha": 0.6, "top_k": 1}, {"dola_layers": "low"},
    {"num_return_sequences": 2}, {"num_beam_groups": 3, "diversity_penalty": 1.0, "length_penalty": 2.0},
    {"early_stopping": True, "use_cache": False, "output_scores": True, "output_attentions": False},
    {"prompt_lookup_num_tokens": 3}, {"num_assistant_tokens": 4, "assistant_confidence_threshold": 0.9},
    {"suppress_tokens": [5000]}, {"bad_words_ids": [[5000]]}, {"bad_words_ids": []}, {"sequence_bias": []},
    {"forced_eos_token_id": 9}, {"forced_eos_token_id": 9, "suppress_tokens": [9]},
    {"forced_bos_token_id": 9}, {"bos_token_id": 9, "pad_token_id": 4, "decoder_start_token_id": 3},
    {"exponential_decay_length_penalty": [2, 1.5]}, {"streamer": 1}, {"made_up": 1, "max_new_tokens": 4},
    {"constraints": [1]}, {"force_words_ids": [[3]]}, {"max_time": 1000.0, "max_new_tokens": 3},
    {"max_time": 0.0, "max_new_tokens": 3}, {"transformers_version": "4.0.0", "low_memory": True},
]
# over config.json, of a folder without generation_config.json
MODEL = [{}, {"max_length": 9}, {"repetition_penalty": 1.9}, {"no_repeat_ngram_size": 1, "max_length": 16},
         {"do_sample": True, "top_k": 1, "temperature": 0.5}, {"min_length": 12}, {"suppress_tokens": [3, 55]},
         {"task_specific_params": {"text-generation": {"max_length": 7}}}, {"num_return_sequences": 1}]


def folders():
    prompt = [11, 3, 7, 3]
    base = json.loads((LLAMA / "config.json").read_text())
    plain = generate(LLAMA, prompt)
    end = plain[6]  # a token that comes without any key
    with_end = [{"eos_token_id": end}, {"eos_token_id": [end, 2]}, {"eos_token_id": end, "min_new_tokens": 12},
                {"eos_token_id": end, "min_length": 12}, {"eos_token_id": 5000}, {"eos_token_id": -1},
                {"eos_token_id": end, "bad_words_ids": [[end]]}, {"eos_token_id": end, "suppress_tokens": [end]},
                {"eos_token_id": 3, "exponential_decay_length_penalty": [2, 2.5]},
                {"begin_suppress_tokens": [plain[0]]}, {"bad_words_ids": [[plain[0], plain[1]], [plain[3]]]},
                {"sequence_bias": [[[plain[0], plain[1]], -9.0], [[44], 0.25]]}]
    results = []
    for file, cases in [("generation_config.json", FILES + with_end), ("config.json", MODEL + with_end)]:
        for case in cases:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                shutil.copy(LLAMA / "model.safetensors", folder)
                own = file == "generation_config.json"
                (folder / "config.json").write_text(json.dumps(base if own else {**base, **case}))
                if own:
                    (folder / file).write_text(json.dumps(case))
                entry = {"file": file, "json": case, "prompt": prompt}
                try:
                    entry["tokens"] = generate(folder, prompt)
                except Exception as e:
                    entry["error"] = f"{type(e).__name__}: {str(e)[:100]}"
                results.append(entry)
                print(json.dumps(entry))
    write_json(ROOT / "folders.json", results)


def generate(folder, prompt):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    torch.manual_seed(0)
    return model.generate(torch.tensor([prompt]))[0, len(prompt):].tolist()


if __name__ == "__main__":
    keys = [key for key in GenerationConfig().__dict__ if key != "_from_model_config"]
    write_json(ROOT / "keys.json", {"keys": keys, "defaults": GenerationConfig._get_default_generation_params()})
    processors()
    folders()
