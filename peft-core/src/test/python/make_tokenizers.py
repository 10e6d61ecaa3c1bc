"""What transformers makes of a tokenizer's folder: tokenizer_config.json and its siblings laid over tokenizer.json.

    python peft-core/src/test/python/make_tokenizers.py

needs transformers and tokenizers (made with 5.18 and 0.23). Writes src/test/resources/golden/tokenizers/:
NAME.json     small tokenizers of each kind, trained on the texts below
cases.json    texts and, for each folder ("base" and the settings beside it), the class that transformers chooses, the
              tokenizer that it builds (without the vocabulary), and what that makes of the texts
classes.json  the class chosen for each model_type and tokenizer_class
keys.json     the keys of tokenizer_config.json that those classes and what they build on name
"""

import json
import pathlib
import tempfile

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from tiny import GOLDEN

ROOT = GOLDEN / "tokenizers"
LEARNT = [
    "The analyser reads glucose in blood plasma. Rinse the probe before every run, and after it.",
    "Café naïve hello Hello world World good GOOD food Food nice don't stop",
    "x y a b 1 12 123 new NEW cafe naive 你好 你 好 mask",
] * 3
TEXTS = [
    "",
    "   ",
    "hello world",
    "The Food was GOOD",
    "  Café   naïve\tNice\n\nprobe ",
    "你好world 😀",
    "x <NEW> y<NEW>z",
    "a <s>b</s> [MASK] c <mask> [SEP]",
    "<|endoftext|>The <|im_end|> run",
    "Don't stop . it 's 123 !",
    "<extra>  x <EXTRA>x",
]
PAIRS = [("The probe", "hello world"), ("", "x")]


def special(tokenizer, *tokens):
    tokenizer.add_special_tokens(list(tokens))


def bert():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["Food", "food", "good", "GOOD", "café", "cafe", "Café", "naïve", "naive", "hello", "the", "The"]
    letters = sorted(set("".join(LEARNT) + "".join(LEARNT).lower()) - {" "})
    vocab = names + words + letters + ["##" + c for c in letters if ord(c) < 128]
    t.model = models.WordPiece({w: i for i, w in enumerate(dict.fromkeys(vocab))}, unk_token="[UNK]")
    special(t, *names)
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.decoder = decoders.WordPiece()
    return t


def byte_level(names, split=False, nfc=False):
    t = Tokenizer(models.BPE())
    if nfc:
        t.normalizer = normalizers.NFC()
    if split:
        pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                   r"|\s*[\r\n]+|\s+(?!\S)|\s+")
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    t.train_from_iterator(LEARNT, trainer)
    special(t, *names)
    return t


def roberta():
    t = byte_level([])
    vocab = json.loads(t.to_str())["model"]
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    words = names + [w for w, _ in sorted(vocab["vocab"].items(), key=lambda e: e[1])] + ["<mask>"]
    t.model = models.BPE({w: i for i, w in enumerate(words)}, [tuple(m) for m in vocab["merges"]])
    special(t, *names)
    from tokenizers import AddedToken
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return t


def sentences(names, fallback=True):
    """A BPE of the SentencePiece kind, as Llama 2's."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.train_from_iterator(LEARNT, trainers.BpeTrainer(vocab_size=90, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    words = names + [f"<0x{b:02X}>" for b in range(256)]
    words += [w for w, _ in sorted(learnt["vocab"].items(), key=lambda e: e[1]) if w not in words]
    t = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, [tuple(m) for m in learnt["merges"]],
                             unk_token="<unk>", fuse_unk=True, byte_fallback=fallback))
    return t


def llama():
    names = ["<unk>", "<s>", "</s>"]
    t = sentences(names)
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    special(t, *names)
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t


def gemma():
    names = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    t = sentences(names)
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special(t, *names)
    t.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", 2)])
    return t


def unigram():
    words = ["<s>", "<pad>", "</s>", "<unk>", "▁hello", "▁world", "▁The", "▁"] + sorted(set("".join(LEARNT)) - {" "})
    scores = [0.0] * 4 + [-float(3 + i / 7) for i in range(len(words) - 4)]
    words, scores = words + ["<mask>"], scores + [0.0]
    t = Tokenizer(models.Unigram(list(zip(words, scores)), 3, False))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.decoder = decoders.Metaspace()
    special(t, "<s>", "<pad>", "</s>", "<unk>")
    from tokenizers import AddedToken
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t


BASES = {
    "bert": bert(),
    "gpt2": byte_level(["<|endoftext|>"]),
    "neox": byte_level(["<|endoftext|>", "<|padding|>"], nfc=True),
    "qwen": byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], split=True, nfc=True),
    "roberta": roberta(),
    "llama": llama(),
    "gemma": gemma(),
    "unigram": unigram(),
}


def added(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": True, **flags}


def decoder(base):
    return {str(t["id"]): {k: v for k, v in t.items() if k != "id"}
            for t in json.loads(BASES[base].to_str())["added_tokens"]}


END = "<|endoftext|>"
GPT2 = dict(tokenizer_class="GPT2Tokenizer", bos_token=END, eos_token=END, unk_token=END)
LLAMA = dict(tokenizer_class="LlamaTokenizer", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
FAST = dict(tokenizer_class="PreTrainedTokenizerFast")
BERT = dict(tokenizer_class="BertTokenizer")
SIZE = {name: t.get_vocab_size() for name, t in BASES.items()}
# name: base, model_type, tokenizer_config.json, and more files
CASES = {
    # BERT's normalizer
    "bert": ("bert", "bert", BERT),
    "bert-no-config": ("bert", "bert", None),
    "bert-fast-name": ("bert", "bert", dict(tokenizer_class="BertTokenizerFast", do_lower_case=False)),
    "bert-cased": ("bert", "bert", dict(BERT, do_lower_case=False)),
    "bert-accents": ("bert", "bert", dict(BERT, strip_accents=False)),
    "bert-cased-stripped": ("bert", "bert", dict(BERT, do_lower_case=False, strip_accents=True)),
    "bert-chinese": ("bert", "bert", dict(BERT, tokenize_chinese_chars=False)),
    "bert-null": ("bert", "bert", dict(BERT, strip_accents=None, mask_token=None)),
    "bert-added": ("bert", "bert", dict(BERT, added_tokens_decoder={
        **decoder("bert"), str(SIZE["bert"]): added("<NEW>"),
        str(SIZE["bert"] + 1): added("<extra>", special=False, normalized=True)})),
    "bert-added-gap": ("bert", "bert", dict(BERT, added_tokens_decoder={
        **decoder("bert"), str(SIZE["bert"] + 7): added("<NEW>", rstrip=True, lstrip=True)})),
    "bert-additional": ("bert", "bert", dict(BERT, additional_special_tokens=["<NEW>", "<extra>"])),
    "bert-extra-dict": ("bert", "bert", dict(BERT, extra_special_tokens={"image_token": "<NEW>"})),
    "bert-own-token": ("bert", "bert", dict(BERT, image_token="<NEW>")),
    "bert-other-names": ("bert", "bert", dict(BERT, cls_token="hello", sep_token="food", unk_token="[MASK]")),
    "bert-map": ("bert", "bert", BERT, {"special_tokens_map.json": {
        "mask_token": added("<mask>", lstrip=True), "additional_special_tokens": ["<NEW>"]}}),
    "bert-map-over": ("bert", "bert", dict(BERT, sep_token="[SEP]", added_tokens_decoder=decoder("bert")), {
        "special_tokens_map.json": {"sep_token": "food"}}),
    "bert-map-differs": ("bert", "bert", dict(BERT, sep_token="[SEP]"), {
        "special_tokens_map.json": {"sep_token": "food"}}),
    "bert-added-json": ("bert", "bert", BERT, {"added_tokens.json": {"<NEW>": SIZE["bert"], "<extra>": SIZE["bert"] + 1}}),
    "bert-left": ("bert", "bert", dict(BERT, truncation_side="left", padding_side="left", model_max_length=6)),
    "bert-clean": ("bert", "bert", dict(BERT, clean_up_tokenization_spaces=True)),
    "bert-bos": ("bert", "bert", dict(BERT, add_bos_token=True, add_eos_token=True, bos_token="[CLS]")),
    "bert-as-is": ("bert", "bert", dict(FAST, do_lower_case=False, strip_accents=False)),
    "distilbert": ("bert", "distilbert", dict(tokenizer_class="DistilBertTokenizer", do_lower_case=False)),
    "bert-in-distilbert": ("bert", "distilbert", dict(tokenizer_class="BertTokenizer", do_lower_case=False)),
    "bert-unknown-class": ("bert", "bert", dict(tokenizer_class="NobodysTokenizer", do_lower_case=False)),
    "bert-vocab-txt": ("bert", "bert", None, {"vocab.txt": None}),
    "bert-vocab-txt-cased": ("bert", "bert", dict(BERT, do_lower_case=False, strip_accents=True,
                                                  additional_special_tokens=["<NEW>"]), {"vocab.txt": None}),
    # byte-level BPE
    "gpt2": ("gpt2", "gpt2", GPT2),
    "gpt2-no-config": ("gpt2", "gpt2", None),
    "gpt2-prefix": ("gpt2", "gpt2", dict(GPT2, add_prefix_space=True)),
    "gpt2-prefix-as-is": ("gpt2", "gpt2", dict(FAST, add_prefix_space=True, eos_token=END)),
    "gpt2-added": ("gpt2", "gpt2", dict(FAST, eos_token=END, added_tokens_decoder={str(SIZE["gpt2"]): added("<NEW>")})),
    "gpt2-added-words": ("gpt2", "gpt2", dict(GPT2, added_tokens_decoder={
        **decoder("gpt2"), str(SIZE["gpt2"]): added("<NEW>", single_word=True, special=False, normalized=True),
        str(SIZE["gpt2"] + 1): added("<extra>", lstrip=True, rstrip=True)})),
    "gpt2-reflagged": ("gpt2", "gpt2", dict(FAST, added_tokens_decoder={
        str(BASES["gpt2"].token_to_id(END)): added(END, rstrip=True)})),
    "gpt2-bos": ("gpt2", "gpt2", dict(GPT2, add_bos_token=True, add_eos_token=True)),
    "gpt2-pad": ("gpt2", "gpt2", dict(GPT2, pad_token="<NEW>", mask_token="<mask>")),
    "gpt2-clean": ("gpt2", "gpt2", dict(GPT2, clean_up_tokenization_spaces=True)),
    "gpt2-clean-forced": ("gpt2", "gpt2", dict(
        GPT2, clean_up_tokenization_spaces=True,
        clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output=True)),
    "gpt2-vocab-json": ("gpt2", "gpt2", GPT2, {"vocab.json": None}),
    "gpt2-vocab-json-bos": ("gpt2", "gpt2", dict(GPT2, add_bos_token=True, add_eos_token=True), {"vocab.json": None}),
    "neox": ("neox", "gpt_neox", dict(tokenizer_class="GPTNeoXTokenizer", add_prefix_space=True)),
    "neox-bos": ("neox", "gpt_neox", dict(tokenizer_class="GPTNeoXTokenizerFast", add_bos_token=True, pad_token=None)),
    "roberta": ("roberta", "roberta", dict(tokenizer_class="RobertaTokenizer")),
    "roberta-no-config": ("roberta", "roberta", None),
    "roberta-prefix": ("roberta", "roberta", dict(tokenizer_class="RobertaTokenizer", add_prefix_space=True,
                                                  trim_offsets=False)),
    "roberta-names": ("roberta", "roberta", dict(tokenizer_class="RobertaTokenizerFast", cls_token="</s>", sep_token="<s>")),
    "roberta-vocab-json": ("roberta", "roberta", None, {"vocab.json": None}),
    "roberta-gpt2-class": ("roberta", "roberta", dict(GPT2, add_prefix_space=True)),
    "qwen": ("qwen", "qwen2", dict(tokenizer_class="Qwen2Tokenizer", eos_token="<|im_end|>", pad_token=END,
                                   added_tokens_decoder=decoder("qwen"),
                                   additional_special_tokens=["<|im_start|>", "<|im_end|>"])),
    "qwen-prefix": ("qwen", "qwen2", dict(tokenizer_class="Qwen2Tokenizer", add_prefix_space=True, bos_token=None)),
    "qwen-llama-class": ("qwen", "qwen2", dict(tokenizer_class="LlamaTokenizerFast", bos_token=END)),
    "qwen3": ("qwen", "qwen3", dict(tokenizer_class="Qwen2Tokenizer", extra_special_tokens=["<NEW>"])),
    "qwen3-llama-class": ("qwen", "qwen3", dict(FAST, bos_token=END, add_prefix_space=True)),
    # SentencePiece's BPE
    "llama-as-is": ("llama", "llama", dict(FAST, bos_token="<s>", eos_token="</s>", unk_token="<unk>")),
    "llama-no-config": ("llama", "llama", None),
    "llama": ("llama", "llama", LLAMA),
    "llama-legacy": ("llama", "llama", dict(LLAMA, legacy=True)),
    "llama-not-legacy": ("llama", "llama", dict(LLAMA, legacy=False)),
    "llama-no-prefix": ("llama", "llama", dict(LLAMA, add_prefix_space=False)),
    "llama-prefix": ("llama", "llama", dict(LLAMA, add_prefix_space=True, legacy=False)),
    "llama-eos": ("llama", "llama", dict(LLAMA, add_bos_token=False, add_eos_token=True)),
    "llama-added": ("llama", "llama", dict(LLAMA, added_tokens_decoder={
        **decoder("llama"), str(SIZE["llama"]): added("<NEW>"), str(SIZE["llama"] + 1): added("<extra>")})),
    "llama-old-names": ("llama", "llama", dict(
        tokenizer_class="LlamaTokenizerFast", bos_token={"__type": "AddedToken", **added("<s>", normalized=True)},
        eos_token={"__type": "AddedToken", **added("</s>", normalized=True)}, pad_token=None)),
    "mistral-llama-class": ("llama", "mistral", dict(LLAMA, legacy=True, add_prefix_space=None)),
    "phi3-llama-class": ("llama", "phi3", dict(LLAMA, legacy=False, add_prefix_space=False)),
    "config-class": ("llama", "llama", None, {"config.json": {"tokenizer_class": "LlamaTokenizer"}}),
    "gemma": ("gemma", "gemma2", dict(tokenizer_class="GemmaTokenizer", bos_token="<bos>", eos_token="<eos>",
                                      unk_token="<unk>", pad_token="<pad>", add_bos_token=True)),
    "gemma-added": ("gemma", "gemma2", dict(tokenizer_class="GemmaTokenizer", additional_special_tokens=["<NEW>"],
                                            added_tokens_decoder=decoder("gemma"))),
    "gemma-no-config": ("gemma", "gemma2", None),
    # Unigram
    "xlmr": ("unigram", "roberta", dict(tokenizer_class="XLMRobertaTokenizer")),
    "xlmr-bert": ("unigram", "bert", dict(tokenizer_class="XLMRobertaTokenizerFast", add_prefix_space=False)),
    "unigram-as-is": ("unigram", "bert", dict(FAST, clean_up_tokenization_spaces=True, cls_token="<s>")),
}


def folder_of(case, folder):
    base, model_type, config, *more = CASES[case]
    files = dict(more[0]) if more else {}
    model = json.loads(BASES[base].to_str())["model"]
    if "vocab.txt" in files:
        del files["vocab.txt"]
        lines = [w for w, _ in sorted(model["vocab"].items(), key=lambda e: e[1])]
        (folder / "vocab.txt").write_text("".join(w + "\n" for w in lines), "utf-8")
    elif "vocab.json" in files:
        del files["vocab.json"]
        files["vocab.json"] = model["vocab"]
        (folder / "merges.txt").write_text(
            "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]), "utf-8")
    else:
        (folder / "tokenizer.json").write_text(BASES[base].to_str(), "utf-8")
    if config is not None:
        files["tokenizer_config.json"] = config
    files["config.json"] = {"model_type": model_type, **files.get("config.json", {})}
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def cut(t, length, *texts):
    ids = t(*(TEXTS[i] for i in texts), truncation=True, max_length=length)["input_ids"]
    return {"length": length, "texts": texts, "ids": ids}


def result(case):
    base, model_type, config, *more = CASES[case]
    with tempfile.TemporaryDirectory() as at:
        folder_of(case, pathlib.Path(at))
        t = AutoTokenizer.from_pretrained(at)
    tree = json.loads(t.backend_tokenizer.to_str())
    for key in ("truncation", "padding"):
        tree.pop(key)
    for key in ("vocab", "merges"):
        tree["model"].pop(key, None)
    ids = [t(text)["input_ids"] for text in TEXTS]
    pairs = [t(*pair) for pair in PAIRS]
    return {
        "base": base,
        "model_type": model_type,
        "config": config,
        "files": {k: v for k, v in (more[0] if more else {}).items()},
        "class": type(t).__name__,
        "tokenizer": tree,
        "special_tokens": t.special_tokens_map,
        "model_max_length": t.model_max_length if t.model_max_length < 1e9 else None,
        "ids": ids,
        "plain": [t(text, add_special_tokens=False)["input_ids"] for text in TEXTS],
        "pairs": [p["input_ids"] for p in pairs],
        "pair_types": [p.get("token_type_ids", [0] * len(p["input_ids"])) for p in pairs],
        # the library in Java writes such a token as it was given, that in Python as it is normalized
        "decoded": None if case == "bert-added-json" else [t.decode(x, skip_special_tokens=True) for x in ids],
        "cuts": [cut(t, length, *texts) for length in (6, 7, 11) for texts in ((4, 9), (9, 4), (4, 2), (4,))],
    }


def classes():
    found = {}
    names = [None, "BertTokenizer", "DistilBertTokenizerFast", "RobertaTokenizer", "XLMRobertaTokenizerFast",
             "GPT2TokenizerFast", "GPTNeoXTokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "Qwen2Tokenizer",
             "Qwen2TokenizerFast", "GemmaTokenizerFast", "PreTrainedTokenizerFast", "PreTrainedTokenizer",
             "TokenizersBackend", "Nobodys"]
    types = {"bert": "bert", "distilbert": "bert", "roberta": "roberta", "gpt2": "gpt2", "gpt_neox": "neox",
             "llama": "llama", "mistral": "llama", "phi3": "llama", "qwen2": "qwen", "qwen3": "qwen", "gemma2": "gemma"}
    for model_type, base in types.items():
        for name in names:
            with tempfile.TemporaryDirectory() as at:
                folder = pathlib.Path(at)
                (folder / "tokenizer.json").write_text(BASES[base].to_str(), "utf-8")
                config = {} if name is None else {"tokenizer_class": name}
                (folder / "tokenizer_config.json").write_text(json.dumps(config))
                (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
                try:
                    found.setdefault(model_type, {})[name or ""] = type(AutoTokenizer.from_pretrained(at)).__name__
                except Exception as e:  # a class that cannot take this vocabulary
                    print(model_type, name, type(e).__name__, str(e)[:80])
    return found


def keys():
    """Parameters of the classes, and what their constructors and from_pretrained take out of the file."""
    import inspect
    import re

    import transformers
    from transformers import tokenization_utils_base, tokenization_utils_tokenizers
    from transformers.models.auto import tokenization_auto

    found = set()
    for name in ("BertTokenizer", "DistilBertTokenizer", "RobertaTokenizer", "XLMRobertaTokenizer", "GPT2Tokenizer",
                 "GPTNeoXTokenizer", "LlamaTokenizer", "Qwen2Tokenizer", "GemmaTokenizer"):
        found |= set(inspect.signature(getattr(transformers, name).__init__).parameters)
    base = tokenization_utils_base.PreTrainedTokenizerBase
    fast = tokenization_utils_tokenizers.TokenizersBackend
    sources = [inspect.getsource(x) for x in (base.__init__, base._from_pretrained, fast.__init__,
                                              tokenization_auto.AutoTokenizer.from_pretrained)]
    for source in sources:
        found |= set(re.findall(r'(?:kwargs|tokenizer_config|init_kwargs)(?:\.(?:pop|get|setdefault)\(|\[)"(\w+)"', source))
        found |= set(re.findall(r'"(\w+)" in (?:kwargs|init_kwargs|tokenizer_config)', source))
    # not of the file: the vocabulary itself, and arguments of a call
    return sorted(found - {"self", "args", "kwargs", "vocab", "merges", "_spm_precompiled_charsmap", "_json_truncation",
                           "_json_padding", "tokenizer_object", "gguf_file", "post_processor", "config", "_commit_hash",
                           "trust_remote_code", "mistral_format", "code_revision", "revision", "token", "_from_auto",
                           "tokenizer_truncation", "tokenizer_padding", "subfolder", "tokenizer"})


ROOT.mkdir(parents=True, exist_ok=True)


def write(name, value):
    (ROOT / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


for name, tokenizer in BASES.items():
    write(f"{name}.json", json.loads(tokenizer.to_str()))
cases = {}
for case in CASES:
    try:
        cases[case] = result(case)
    except Exception as e:
        print(case, type(e).__name__, str(e)[:300])
write("cases.json", {"texts": TEXTS, "pairs": PAIRS, "cases": cases})
write("classes.json", classes())
write("keys.json", keys())
