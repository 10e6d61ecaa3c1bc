"""Tokens and labels that TRL's SFTTrainer makes of rows: golden/causal/rows.json.

    python peft-core/src/test/python/make_rows.py

needs torch, transformers, datasets and trl (made with 2.13, 5.18 and 1.13), and golden/causal/llama.
"""

import json
import tempfile

from datasets import Dataset
from transformers import AutoTokenizer, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from tiny import GOLDEN

ROOT = GOLDEN / "causal"
TEMPLATE = """\
{%- if tools %}{{ '<tools>' }}{%- for t in tools %}{{ t | tojson }}{%- endfor %}{{ '</tools>' }}{%- endif %}
{%- for m in messages %}
{{- '<|im_start|>' + m.role + (' ' + m.name if m.name else '') + '\\n' }}
{%- if m.role == 'assistant' %}
{%- generation %}{%- if m.content is string %}{{ m.content }}{%- else %}{%- for p in m.content %}{{ p.text }}{%- endfor %}{%- endif %}
{%- for c in m.tool_calls or [] %}{{ '<call>' + c.function.name + (c.function.arguments | tojson) }}{%- endfor %}
{{- '<|im_end|>' }}{%- endgeneration %}
{%- else %}
{%- if m.content is string %}{{ m.content }}{%- else %}{%- for p in m.content %}{{ p.text }}{%- endfor %}{%- endif %}
{{- '<|im_end|>' }}
{%- endif %}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' + ('think ' if thinking else '') }}{%- endif %}
"""
TOOL = {"type": "function", "function": {"name": "probe", "description": "Rinse", "parameters": {"type": "object"}}}


def user(content, **more):
    return {"role": "user", "content": content, **more}


def bot(content, **more):
    return {"role": "assistant", "content": content, **more}


CALL = {"type": "function", "function": {"name": "probe", "arguments": {"n": 1}}}
TEXT_CALL = {"type": "function", "function": {"name": "probe", "arguments": "{\"n\": 1}"}}
# rows, and whether only the assistant's turns are learnt; rows of one list go into one data set
ROWS = [
    ([{"prompt": "a", "completion": ""}, {"prompt": "a", "completion": " b"}], False),
    ([{"text": "Rinse the probe."}], False),
    ([{"prompt": [user("Is it blocked?")], "completion": [bot("It is.")]}], False),
    ([{"prompt": [user("x", name="Bo"), bot("y"), user("z")], "completion": [bot("", tool_calls=[CALL])],
       "tools": json.dumps([TOOL])}], False),
    ([{"prompt": [user("x")], "completion": [bot("y"), user("twice"), bot("z")],
       "chat_template_kwargs": {"thinking": True}}], False),
    ([{"messages": [user("hi"), bot("yes")], "tools": [TOOL]}], True),
    ([{"messages": [user("hi"), bot("yes")], "tools": json.dumps([TOOL])}], True),
    ([{"messages": [user([{"type": "text", "text": "Start"}, {"type": "text", "text": " again"}]),
                    bot([{"type": "text", "text": "yes"}])]}], True),
    ([{"messages": [user("hi"), bot("", tool_calls=[TEXT_CALL]), {"role": "tool", "content": "7"}, bot("seven")]}], True),
]


def main():
    folder = ROOT / "llama"
    found = []
    for rows, assistant_only in ROWS:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = TEMPLATE
        with tempfile.TemporaryDirectory() as at:
            config = SFTConfig(output_dir=at, max_length=None, assistant_only_loss=assistant_only, report_to=[],
                               use_cpu=True, bf16=False, gradient_checkpointing=False)
            trainer = SFTTrainer(LlamaForCausalLM.from_pretrained(folder), config, train_dataset=Dataset.from_list(rows),
                                 processing_class=tokenizer)
        for row, made in zip(rows, trainer.train_dataset):
            found.append({"row": row, "ids": made["input_ids"], "labels": made["labels"]})
    text = json.dumps({"template": TEMPLATE, "rows": found}, ensure_ascii=False, indent=1)
    (ROOT / "rows.json").write_text(text + "\n", "utf-8")


main()
