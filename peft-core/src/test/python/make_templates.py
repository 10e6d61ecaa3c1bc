"""What transformers renders from the chat templates beside the output: golden/templates/golden.json.

The templates were written for this project in the styles that models on the hub use.
"""
import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

FOLDER = pathlib.Path(__file__).parent.parent / "resources" / "golden" / "templates"


def say(role, content, **more):
    return {"role": role, "content": content, **more}


CHATS = {
    "short": [say("user", "  Hello, you.\n")],
    "turns": [say("user", "a\tcat's <b>"), say("assistant", "\n a tale & more "), say("user", "Éa 你好")],
    "answered": [say("user", "Why?"), say("assistant", "Because.\nTwo lines.")],
    "system": [say("system", " Be brief. "), say("user", "x"), say("assistant", "y"), say("user", "z")],
    "wrong": [say("user", "x"), say("user", "y", name="Bo")],
    "thought": [say("user", "1+1"), say("assistant", "<think>\nOne more.\n</think>\n\nTwo")],
    "twice": [
        say("user", "1"),
        say("assistant", "<think>\nhm\n</think>\n\nA"),
        say("user", "<tool>2</tool>"),
        say("assistant", "B"),
    ],
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}, "required": ["a"]}}}]
CALLS = [
    say("user", "call"),
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": "é\"", "c": [1.5, None, True]}}}]},
    say("tool", {"out": ["<x>", 2]}),
]

cases = []


def case(template, name, messages, prompt, **variables):
    known = dict(bos_token="<s>", eos_token="</s>", **variables)
    entry = dict(template=template, name=name, messages=messages, add_generation_prompt=prompt, variables=known)
    try:
        spans = template == "generation" and not prompt
        rendered, found = render_jinja_template(
            conversations=[messages],
            chat_template=(FOLDER / f"{template}.jinja").read_text(),
            add_generation_prompt=prompt,
            return_assistant_tokens_mask=spans,
            **known,
        )
        entry["rendered"] = rendered[0]
        if spans:
            entry["spans"] = found[0]
    except Exception as e:
        entry["error"] = str(e)
    cases.append(entry)


for path in sorted(FOLDER.glob("*.jinja")):
    for name, messages in CHATS.items():
        for prompt in (False, True):
            case(path.stem, name, messages, prompt)
case("headers", "tools", CHATS["short"], True, tools=TOOLS)
case("headers", "calls", CALLS, True, date_string="2 Feb 2026")
case("thinking", "off", CHATS["short"], True, enable_thinking=False)
case("thinking", "parts", [say("user", [{"type": "text", "text": "look"}, {"type": "image"}])], True)
(FOLDER / "golden.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
print(len(cases), "cases,", sum("error" in c for c in cases), "errors")
for c in cases:
    if "error" in c:
        print(c["template"], c["name"], c["error"][:100])
