"""What Python's re makes of regular expressions such as adapter configs hold: which texts match, or its error.

    python peft-core/src/test/python/make_python_regex.py

needs Python 3.11 (made with 3.11) and nothing else, writes src/test/resources/golden/python_regex.json:
    {"texts": […], "patterns": [{"pattern", "matches": [0 or 1 for each text] or null, "error": message or null}]}
"""

import re
import warnings

from tiny import GOLDEN, write_json

TEXTS = [
    "", "a", "A", "aa", "aaa", "ab", "abab", "b", "abc", "a.b", "a_b", "a-b", "a b", "a\n", "\n", "a\nb", "1", "12",
    "\u0661\u0662", "\u00e9", "\u00c9", "\u00e9t\u00e9", "\u00bd", "\u2167", "\u6f22", "_", "^", "[", "]", "a[b", "&", "a&&b", "{", "a{", "a{,2}", "a{}", "{}",
    "\\", "(", "a(", "q", "Q", "\u00a0", "\x1c", "\u2003", "x", "\u00df", "\u1e9e", "\u017f", "s", "k", "\u212a",
    "q_proj", "v_proj", "self_attn.q_proj", "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
    "model.layers.1.self_attn.q_proj", "model.layers.2.mlp.up_proj", "model.layers.12.self_attn.k_proj",
    "model.layers.12.mlp.experts.3.up_proj", "lm_head", "visual.blocks.0.attn.q_proj",
    "bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.1.output.dense", "transformer.h.3.attn.c_attn",
]

PATTERNS = [
    # plain, repetitions
    "a", "a*", "a+", "a?", "a{2}", "a{2,}", "a{,2}", "a{1,2}", "a{}", "a{", "a{,", "a{x}", "{", "{}", "a{,}", "(ab){2}",
    "a*?b", "a+?", "a??b", "a{1,2}?", "a*+a", "a++", "(?>a*)a", "(?>a|ab)c", "(?:ab)*", "(?:)*a", "(?:){9999}a",
    "(a|)*b", "(?:a*)*", "(a*)+b", "(|a)+", "(|a){2}", "a**", "a{2}{3}", "*a", "+", "?", "a|*", "^*", "$*", r"\b+",
    "(?=a)*a", "a{2,1}", "a{4294967295}", "a{4294967294}", "a{0}", "()*", "(?:)", "", "|", "a|", "|a",
    # places
    "^a$", "a$", "a\\Z", "\\Aa", "a\\z", "^", "$", "\\Z", "(?m)a$\\nb", "(?m)a\\n^b", "(?s)a.b", "a.b", r"\ba\b", r"a\Bb",
    r"\B", r"\b", r"a\b.b", r".*\b\.?.*", "^^a", "a$\n", "$\n",
    # characters
    r"\d+", r"\D", r"\w+", r"\W", r"\s", r"\S", r"(?a)\d+", r"(?a)\w+", r"(?a)\s", r"(?a:\w)", r"(?u:\w)", r"(?a)(?u:\d)+",
    r"[\d]", r"[^\d]", r"[\w.]+", r"[^\w]", r"[\W]", r"[\s\S]", r"[\D]+", r"\x61", r"[\x61-\x62]+", r"\u00e9", r"\U000000e9",
    r"\0", r"\141", r"\07", r"[\b]", r"\a", r"\h", r"\p{L}", r"\R", r"\Qa\E", r"\_", r"\.", r"\-", r"\&", "\\", r"\8", r"\x6",
    r"\N{BULLET}", r"[\q]", "\u6f22", "[\u4e00-\u9fff]",
    # sets
    "[a]", "[^a]", "[]]", "[^]]", "[]a]+", "[a-c]+", "[a-]", "[-a]", "[a-c-e]+", "[c-a]", "[", "[a", "[]", "[^]", "[[]", "[[]]", "[a[b]",
    "[a[b]+", "[a&&b]+", "[&&]", r"[\[\]]", "[^-a]", r"[\w-z]", r"[a-\d]", "[a^]", "[{}]+", "[.]", "[()]", r"[\\]", "[a||b]", "[a--b]",
    "[_.a-z0-9]+",
    # groups, references
    "(a)(b)?", r"(a)\1", r"(a)\2", r"(?P<n>a)(?P=n)", r"(?P<n_1>ab)(?P=n_1)", "(?P<1n>a)", "(?P<n>a)(?P<n>b)", "(?P=n)",
    "(?P<n>a", "(?P<n", "(?<n>a)", r"\k<n>", "(?P>n)", "(?R)", "(?&n)", "(a", "a)", ")", "(", "(?", "(?:", "(?#c)a", "(?#c", "a(?#c)*",
    "(?P<\u00e9>a)", r"(a\1)", r"(a)|\1b", r"(?:(a)|b)\1", "((a)|b)+", r"(?i)(a)\1",
    # conditions, looks
    "(a)?(?(1)b|c)", "(?P<n>a)?(?(n)b|c)", "(a)?b?(?(1)c)", "(?(1)a|b)", "(?(x)a)", "(a)(?(1)b|c|d)", "(?(0)a)",
    "a(?=b).*", "a(?!b).*", "(?<=a)b", "a(?<=a)b", "a(?<!b)b", "(?<=a*)b", "(?<=a|bc)d", "(?<=ab|cd)x?", "(?!.*q_proj).*",
    "(?=.*_proj)(?!.*mlp).*", r"^(?!.*visual).*\.q_proj$", "(?<=(a))b", r"a(?=(b))\1",
    # flags
    "(?i)A", "(?i)\u00c9", "(?ai)\u00c9", "(?i)[A-Z]+", "(?i)[^A]", "(?i:A)b", "a(?i)b", "(?i)a|B", "a|(?i)b", "(?-i:a)", "(?i)(?-i:A)", "(?ix) a # c",
    "(?x) a  b", "(?x)a b*", "(?x:a b) c", "(?x)[a b]", r"(?x)a\ b", "(?L)a", "(?L:a)", "(?au)a", "(?au:a)", "(?-a:a)", "(?i-i:a)", "(?i", "(?z)a", "(?-)",
    "(?)", "(?i-)", "(?i-:a)", "(?-i)a", "(?s:.)", "(?ims)a", "(?i)(?m)a", "(?i)s", "(?i)k", "(?i)\u00df", "(?t)a",
    # as configs have them
    r".*\.(?P<n>[024])\.self_attn\.(?P<p>q|v)_proj", r".*\.(q|k|v)_proj", r"model\.layers\.\d+\.self_attn\.(q|v)_proj",
    r"(?:.*?(?:language|text|model).*?(?:self_attn|attention|attn|mlp).*?(?:q_proj|k_proj|v_proj|up_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn)\.(?:(?:q_proj|k_proj)))",
    r"^(?:model(?!.*visual)).*(?:up_proj|q_proj)$", r"^(?!.*(?:lm_head|visual)).*", r".*layer\.(0|[1-9]\d*)\.attention\.self\.(query|key)",
    r"(.*\.)?(h\.\d+\.attn.*)", r"(.*\.)?(^model.layers.0.self_attn.q_proj)", r"(^|.*\.)lm_head($|\..*)", r".*\.layers\.(?:[0-9]|1[0-9])\..*",
    r"(?i).*Q_PROJ", r"((?i)q_proj)", r".*[^k]_proj", "all-linear", r"(?P<lead>.*\.)?(?P<kind>[qkv])_proj\Z",
]


def outcome(pattern):
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError) as error:
        return {"pattern": pattern, "matches": None, "error": str(error)}
    return {"pattern": pattern, "matches": "".join("1" if compiled.fullmatch(t) else "0" for t in TEXTS), "error": None}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    assert len(set(PATTERNS)) == len(PATTERNS), [p for p in PATTERNS if PATTERNS.count(p) > 1]
    write_json(GOLDEN / "python_regex.json", {"texts": TEXTS, "patterns": [outcome(p) for p in PATTERNS]})
