"""A tiny language model with a tokenizer of its own, and what transformers and peft do with both.

    python peft-core/src/test/python/make_causal.py

needs torch, transformers, tokenizers, accelerate and peft (made with 2.13, 5.18, 0.23, 1.15 and 0.21). Writes
src/test/resources/golden/causal/:
llama/        a random Llama of 384 tokens, a byte-level BPE trained on the texts below, a ChatML template
adapter/      a random LoRA on it
golden.json   {"rows": [{"row", "ids", "labels", "log_probs", "adapted"}], "greedy": tokens after the first row,
               "runs": {NAME: {settings, "steps": [{loss, grad_norm, learning_rate}]}}}
runs/NAME/    the adapter that a run starts from
"""

import json
import shutil

import torch
import transformers
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from hf_causal import greedy, log_probs, train
from tiny import GOLDEN, write_json

ROOT = GOLDEN / "causal"
TEXTS = [
    "The analyser reads glucose in blood plasma. Rinse the probe before every run, and after it.",
    "What does the alarm mean? The alarm means that the probe is blocked. Clean it and start again.",
    "A calibration takes two minutes; when it fails, use a fresh cartridge. Ask for help if it fails twice.",
    "instruction input output question answer user assistant system response the of and to in is it that",
]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim"
    " + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
MARKED = """\
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}
{% generation %}{{ message['content'] | trim + '<|im_end|>' }}{% endgeneration %}
{%- else %}
{{- message['content'] | trim + '<|im_end|>' }}
{%- endif %}
{{- '\\n' }}
{% endfor %}
"""
ROWS = [
    {"text": "The probe is blocked. 探针 \U0001F600 is blocked"},
    {"prompt": "What does the alarm mean? ", "completion": "The probe is blocked."},
    {"prompt": "Rinse the pro", "completion": "be twice."},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "It fails \U0001F600?"},
                  {"role": "assistant", "content": "Clean the probe."}, {"role": "user", "content": "Twice."},
                  {"role": "assistant", "content": "  Ask for help.  "}]},
    {"instruction": "Answer.", "input": "Is it blocked?", "output": "It is."},
    {"instruction": "Start.", "input": "", "output": "Started."},
]


def make_model():
    folder = ROOT / "llama"
    shutil.rmtree(ROOT, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=384, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
        "chat_template": TEMPLATE}, indent=2) + "\n")
    torch.manual_seed(11)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=384, hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.15, bos_token_id=0, eos_token_id=1,
        tie_word_embeddings=True))
    model.save_pretrained(folder)
    return folder


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def adapted(folder, seed, spread=0.3, **settings):
    torch.manual_seed(seed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"], **settings}
    model = get_peft_model(load(folder), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "lora_embedding_A" in name:
                parameter.normal_(0, spread)
    return model


def save(model, folder):
    model.peft_config["default"].base_model_name_or_path = None
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)


def chat_ids(tokenizer, messages):
    """Ids, and labels of what lies within the assistant's turns: from the end of the prompt for a turn to its end."""
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            start = len(tokenizer.apply_chat_template(messages[:i], tokenize=False, add_generation_prompt=True))
            spans.append((start, len(tokenizer.apply_chat_template(messages[: i + 1], tokenize=False))))
    labels = [token if any(a < end and b > start for start, end in spans) else -100
              for token, (a, b) in zip(encoding.input_ids, encoding.offset_mapping)]
    return encoding.input_ids, labels


def encode(tokenizer, row):
    if "text" in row:
        ids = tokenizer(row["text"]).input_ids + [1]
        return ids, ids
    if "prompt" in row:
        prompt = tokenizer(row["prompt"]).input_ids
        ids = tokenizer(row["prompt"] + row["completion"]).input_ids + [1]
        n = next(i for i, token in enumerate(ids) if i >= len(prompt) or prompt[i] != token)
        return ids, [-100] * n + ids[n:]
    if "messages" in row:
        return chat_ids(tokenizer, row["messages"])
    question = row["instruction"] + ("\n\n" + row["input"] if row["input"] else "")
    return chat_ids(tokenizer, [{"role": "user", "content": question}, {"role": "assistant", "content": row["output"]}])


def main():
    folder = make_model()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, tuned = load(folder), adapted(folder, 3)
    save(tuned, ROOT / "adapter")
    rows = []
    for row in ROWS:
        ids, labels = encode(tokenizer, row)
        rows.append({"row": row, "ids": ids, "labels": labels, "log_probs": log_probs(model, ids, labels),
                     "adapted": log_probs(tuned, ids, labels)})
    marked = tokenizer.apply_chat_template(ROWS[3]["messages"], chat_template=MARKED, return_dict=True,
                                           return_assistant_tokens_mask=True)
    prompt = tokenizer(ROWS[1]["prompt"]).input_ids

    generator = torch.Generator().manual_seed(5)
    examples = []
    for _ in range(18):  # random tokens of unequal length, of which a random part is learnt
        n = int(torch.randint(4, 40, (), generator=generator))
        ids = torch.randint(4, 384, (n,), generator=generator).tolist()
        start = int(torch.randint(0, n - 1, (), generator=generator))
        examples.append((ids, [-100] * start + ids[start:]))
    runs = {}
    for name, settings in {
        "accumulated": dict(epochs=2, batch=3, accumulation=2, rate=5e-3),
        "loraplus": dict(epochs=2, batch=3, accumulation=1, rate=2e-3, decay=0.05,
                         loraplus={"ratio": 8.0, "embedding": 1e-4}),
    }.items():
        extra = {"target_modules": ["q_proj", "down_proj", "embed_tokens"], "bias": "lora_only"}
        trained = adapted(folder, 9, 0.1, **(extra if name == "loraplus" else {}))
        save(trained, ROOT / "runs" / name)
        runs[name] = {**settings, "seed": 7, "steps": train(trained, examples, 7, **settings)}
    write_json(ROOT / "golden.json", {
        "rows": rows, "marked_template": MARKED,
        "marked": {"ids": marked["input_ids"], "mask": marked["assistant_masks"]},
        "prompt": prompt, "greedy": greedy(model, prompt, 40), "greedy_adapted": greedy(tuned, prompt, 40),
        "examples": [{"ids": ids, "labels": labels} for ids, labels in examples], "runs": runs})
    for name, run in runs.items():
        print(name, [round(step["loss"], 4) for step in run["steps"]])


main()
