"""What transformers renders from the chat templates beside the output: golden/templates/golden.json.

The templates were written for this project in the styles that models on the hub use. expressions.json has the
value of each line of expressions.txt.
"""
import json
import pathlib

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

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
    except TemplateError as e:
        entry["error"] = str(e)
    except TypeError:
        entry["error"] = ""  # whose words are Python's
    cases.append(entry)


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The sky's \"now\" <here> & é.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": ["integer", "string"]},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "spots": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "number"}}},
                "extra": {"type": "object"},
                "any": {"type": "null"},
            },
            "required": ["city"],
        },
        "return": {"type": "string"},
    },
}
CALL = {"type": "function", "id": "abc123DEF", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2}}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SOME = [  # name, messages, whether to prompt, variables
    ("short", [say("user", " Hi \n")], True, {}),
    ("system", [say("system", "Be brief. "), say("user", "x"), say("assistant", "<think>\nhm\n</think>\n\n y "), say("user", "z")], True, {}),
    ("tools", CHATS["system"], True, dict(tools=[WEATHER, TOOLS[0]])),
    ("tools apart", CHATS["system"], True, dict(tools=[WEATHER], tools_first=False, enable_thinking=False)),
    (
        "called",
        [say("system", "S"), say("user", "Weather?"), CALLED, say("tool", '{"t": 1.5}', tool_call_id="abc123DEF")]
        + [say("tool", {"content": [1, "é"]}, tool_call_id="abc123DEF"), say("assistant", "<think>\nFine.\n</think>\nWarm."), say("user", "Thanks")],
        True,
        dict(tools=[WEATHER]),
    ),
    (
        "answered",
        [say("user", "Weather?"), CALLED, say("tool", "7", tool_call_id="abc123DEF"), say("assistant", "Warm.", reasoning_content="\nSeven.\n")],
        False,
        dict(builtin_tools=["python", "weather"]),
    ),
    ("parts", [say("system", [{"type": "text", "text": "Sys"}]), say("user", [{"type": "image"}, {"type": "text", "text": " look "}])], True, {}),
    ("two calls", [say("user", "q"), {"role": "assistant", "content": "c", "tool_calls": [{"function": {"name": "a", "arguments": "{}"}}, {"name": "b", "arguments": {}}]}], False, {}),
]
OF_MODELS = ["calls", "parts", "replies", "signatures"]

for path in sorted(FOLDER.glob("*.jinja")):
    if path.stem in OF_MODELS:
        for name, messages, prompt, variables in SOME:
            case(path.stem, name, messages, prompt, **{"tools": None, **variables})
        continue
    for name, messages in CHATS.items():
        for prompt in (False, True):
            case(path.stem, name, messages, prompt)
case("headers", "tools", CHATS["short"], True, tools=TOOLS)
case("headers", "calls", CALLS, True, date_string="2 Feb 2026")
case("thinking", "off", CHATS["short"], True, enable_thinking=False)
case("thinking", "parts", [say("user", [{"type": "text", "text": "look"}, {"type": "image"}])], True)
(FOLDER / "golden.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
expressions = (FOLDER / "expressions.txt").read_text().splitlines()
values = [[line, _compile_jinja_template("{{ " + line + " }}").render()] for line in expressions]
(FOLDER / "expressions.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
print(len(values), "expressions,", len(cases), "cases,", sum("error" in c for c in cases), "errors")
for c in cases:
    if "error" in c:
        print(c["template"], c["name"], c["error"][:100])
