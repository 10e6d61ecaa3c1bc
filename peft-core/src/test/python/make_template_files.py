"""Which of a folder's chat templates transformers takes: golden/templates/files.json.

    python peft-core/src/test/python/make_template_files.py

needs transformers (made with 5.18) and golden/causal/llama for a tokenizer. Each entry has the folder's "files" (of
tokenizer_config.json only the chat template), "tools" of the conversation or null, and "text", or null where
transformers has no template to take.
"""

import json
import shutil
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

from tiny import GOLDEN, write_json

TOKENIZER = GOLDEN / "causal" / "llama"
MESSAGES = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "f"}}]
JINJA = "chat_template.jinja"
CONFIG = "tokenizer_config.json"
RAG, USE = "additional_chat_templates/rag.jinja", "additional_chat_templates/tool_use.jinja"


def named(*names):
    return [{"name": name, "template": f"listed {name} {{{{ messages[0].content }}}}"} for name in names]


FOLDERS = [
    {},
    {JINJA: "file {{ messages[0].content }}{{ eos_token }}"},
    {CONFIG: "key {{ messages[0].content }}"},
    {JINJA: "file", CONFIG: "key"},
    {CONFIG: named("default")},
    {CONFIG: named("default", "tool_use", "rag")},
    {CONFIG: named("rag")},
    {CONFIG: named("tool_use")},
    {JINJA: "file", USE: "use {{ tools | length }}", RAG: "rag"},
    {JINJA: "file", CONFIG: named("default", "tool_use")},
    {RAG: "rag"},
    {USE: "use", CONFIG: "key"},
    {JINJA: "file", RAG: "rag"},
]

if __name__ == "__main__":
    entries = []
    for files in FOLDERS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copy(TOKENIZER / "tokenizer.json", folder)
            config = json.loads((TOKENIZER / CONFIG).read_text())
            config.pop("chat_template", None)
            for path, content in files.items():
                if path == CONFIG:
                    config["chat_template"] = content
                else:
                    (folder / path).parent.mkdir(exist_ok=True)
                    (folder / path).write_text(content)
            (folder / CONFIG).write_text(json.dumps(config))
            tokenizer = AutoTokenizer.from_pretrained(folder)
            for tools in [None, [], TOOLS]:
                try:
                    text = tokenizer.apply_chat_template(MESSAGES, tools=tools, tokenize=False)
                except ValueError:
                    text = None
                entries.append({"files": files, "tools": tools, "text": text})
                print(json.dumps(entries[-1]))
    write_json(GOLDEN / "templates" / "files.json", entries)
