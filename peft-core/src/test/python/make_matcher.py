"""Which modules Hugging Face peft really adapts for a LoraConfig, with what rank and scaling, or its error.

    python peft-core/src/test/python/make_matcher.py

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21), writes src/test/resources/golden/matcher.json:
    {"models": {name: {"model_type", "output_embeddings": module name or null,
                       "modules": {module name: class name}}},
     "cases": [{"name", "model", "config": fields of adapter_config.json that differ from the defaults,
                "matched": {module: [r, scaling]}, "modules_to_save": [module]}      or, where peft refuses,
               {"name", "model", "config", "error": class of the exception, "message": its first line}]}
The "toy" model holds linear layers under names that trip matchers up.
"""

import copy
import warnings

import torch
import transformers
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper

from tiny import GOLDEN, config, write_json

TOY = """net.block.003.proj net.block.3.proj net.block.30.proj net.block.3.sub.5.proj net.block.5.sub.3.proj
block.3.proj net.stack.3.proj net.stack.5.proj stack.3.scale net.proj proj net.block.3.my_proj net.block.3.proj_up
net.layers.1.experts.0.up net.layers.0.experts.1.up net.layers.1.gate net.blockx3xproj""".split()


class Tree(torch.nn.Module):
    """Linear layers under the given dotted names."""

    def __init__(self, names):
        super().__init__()
        for name in names:
            parent, _, leaf = name.rpartition(".")
            node = self
            for part in filter(None, parent.split(".")):
                if not hasattr(node, part):
                    node.add_module(part, torch.nn.Module())
                node = getattr(node, part)
            node.add_module(leaf, torch.nn.Linear(8, 8))


def model(name):
    if name == "toy":
        return Tree(TOY)
    if name in ("llama", "llama-seq-cls"):
        settings = transformers.LlamaConfig(hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
                                            num_key_value_heads=1, intermediate_size=32, vocab_size=32, pad_token_id=0)
        if name == "llama":
            return transformers.LlamaForCausalLM(settings)
        return transformers.LlamaForSequenceClassification(settings)
    if name == "gpt2":
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=32))
    return transformers.AutoModelForSequenceClassification.from_config(config(name, num_labels=3))


QV = ["query", "value"]
S = dict(task_type="SEQ_CLS")
CASES = [
    # lists: equality, or a suffix after a dot
    ("defaults of bert", "bert", dict()),
    ("defaults of roberta", "roberta", dict(**S)),
    ("defaults of distilbert", "distilbert", dict(**S)),
    ("defaults of llama", "llama", dict(task_type="CAUSAL_LM")),
    ("defaults of gpt2", "gpt2", dict(task_type="CAUSAL_LM")),
    ("no defaults for an unknown model", "toy", dict()),
    ("two suffixes", "bert", dict(target_modules=QV)),
    ("a suffix several modules share", "bert", dict(target_modules=["dense"])),
    ("a longer suffix", "bert", dict(target_modules=["attention.output.dense", "pooler.dense"])),
    ("a full name", "bert", dict(target_modules=["bert.encoder.layer.1.attention.self.key"])),
    ("part of a segment is no suffix", "bert", dict(target_modules=["uery"])),
    ("part of a segment beside a match", "bert", dict(target_modules=["uery", "value"])),
    ("a suffix that starts inside a segment", "toy", dict(target_modules=["proj"])),
    ("dots in a list are literal", "toy", dict(target_modules=["block.3.proj"])),
    ("no regex in a list", "bert", dict(target_modules=[".*query"])),
    ("case matters", "bert", dict(target_modules=["Query"])),
    ("one target missing is no error", "bert", dict(target_modules=["query", "nonesuch"])),
    ("embeddings", "bert", dict(target_modules=["word_embeddings", "position_embeddings"])),
    ("a norm cannot be adapted", "bert", dict(target_modules=["LayerNorm"])),
    ("a container cannot be adapted", "bert", dict(target_modules=["attention"])),
    ("an empty list", "bert", dict(target_modules=[])),
    ("the head", "bert", dict(target_modules=["classifier"])),
    ("tied embedding and head", "gpt2", dict(target_modules=["wte", "lm_head"])),
    # a string: full match of a regular expression
    ("regex", "bert", dict(target_modules=r".*\.(query|value)")),
    ("regex must match from the start", "bert", dict(target_modules=r"query")),
    ("regex must match to the end", "bert", dict(target_modules=r".*\.self")),
    ("regex with a layer number", "bert", dict(target_modules=r".*layer\.1\.attention\.self\.(query|key)")),
    ("regex with a range and look-ahead", "llama", dict(target_modules=r"model\.layers\.[0-1]\.(?!mlp).*_proj")),
    ("regex dot matches any character", "toy", dict(target_modules=r"net.block.3.proj")),
    ("a string that is a plain name", "toy", dict(target_modules="proj")),
    ("regex alternation at top level", "toy", dict(target_modules=r"proj|net\.proj")),
    # all-linear
    ("all-linear bert without task", "bert", dict(target_modules="all-linear")),
    ("all-linear bert", "bert", dict(target_modules="all-linear", **S)),
    ("all-linear roberta", "roberta", dict(target_modules="all-linear", **S)),
    ("all-linear roberta without task", "roberta", dict(target_modules="all-linear")),
    ("all-linear distilbert", "distilbert", dict(target_modules="all-linear", **S)),
    ("all-linear llama", "llama", dict(target_modules="all-linear", task_type="CAUSAL_LM")),
    ("all-linear llama classifier", "llama-seq-cls", dict(target_modules="all-linear", **S)),
    ("all-linear gpt2", "gpt2", dict(target_modules="all-linear", task_type="CAUSAL_LM")),
    ("all-linear in capitals", "llama", dict(target_modules="ALL-Linear")),
    ("all-linear in a list is a name", "llama", dict(target_modules=["all-linear"])),
    ("all-linear toy", "toy", dict(target_modules="all-linear")),
    # exclusions
    ("exclude suffix", "bert", dict(target_modules=["dense"], exclude_modules=["pooler.dense"])),
    ("exclude full name", "bert", dict(target_modules=QV,
                                       exclude_modules=["bert.encoder.layer.0.attention.self.query"])),
    ("exclude regex", "bert", dict(target_modules="all-linear", exclude_modules=r".*(intermediate|pooler).*", **S)),
    ("exclude regex needs full match", "bert", dict(target_modules=QV, exclude_modules=r"query")),
    ("exclude a container excludes only itself", "bert", dict(target_modules=QV, exclude_modules=["layer.0"])),
    ("exclude everything", "bert", dict(target_modules=QV, exclude_modules=QV)),
    ("modules_to_save go first", "bert", dict(target_modules=["dense"], modules_to_save=["pooler"])),
    ("modules_to_save by suffix", "bert", dict(target_modules=["dense"], modules_to_save=["attention.output"])),
    ("modules_to_save with a task", "bert", dict(target_modules=QV, modules_to_save=["pooler"], **S)),
    ("modules_to_save take every target", "bert", dict(target_modules=["classifier"], modules_to_save=["classifier"])),
    ("modules_to_save unknown", "bert", dict(target_modules=QV, modules_to_save=["nonesuch"])),
    # a saved module needs no dot before its name, so "classifier" takes DistilBERT's pre_classifier along
    ("modules_to_save match inside a segment", "distilbert", dict(target_modules=["q_lin"], **S)),
    ("modules_to_save inside a segment, toy", "toy", dict(target_modules=["gate"], modules_to_save=["_proj"])),
    ("the task saves the head", "distilbert", dict(target_modules=["q_lin", "pre_classifier", "classifier"], **S)),
    # layers
    ("layers list", "bert", dict(target_modules=QV, layers_to_transform=[1])),
    ("layers number", "llama", dict(target_modules=["q_proj"], layers_to_transform=0)),
    ("layers number out of range", "llama", dict(target_modules=["q_proj"], layers_to_transform=[7])),
    ("layers negative", "llama", dict(target_modules=["q_proj"], layers_to_transform=[-1])),
    ("layers empty list means all", "bert", dict(target_modules=QV, layers_to_transform=[])),
    ("layers with pattern", "llama", dict(target_modules=["q_proj", "down_proj"], layers_to_transform=[0, 2],
                                          layers_pattern="layers")),
    ("layers with pattern list", "bert", dict(target_modules=QV, layers_to_transform=[0],
                                              layers_pattern=["h", "layer"])),
    ("layers with wrong pattern", "bert", dict(target_modules=QV, layers_to_transform=[0], layers_pattern="layers")),
    ("layers leave out what has no number", "bert", dict(target_modules=["dense"], layers_to_transform=[0, 1])),
    ("a full name ignores layers", "bert", dict(target_modules=["bert.encoder.layer.1.attention.self.key", "query"],
                                                layers_to_transform=[0])),
    ("first number counts", "toy", dict(target_modules=["proj"], layers_to_transform=[3])),
    ("first number after the pattern counts", "toy", dict(target_modules=["proj"], layers_to_transform=[3],
                                                          layers_pattern=["block"])),
    ("inner pattern", "toy", dict(target_modules=["proj"], layers_to_transform=[3], layers_pattern=["sub"])),
    ("pattern list takes its first hit", "toy", dict(target_modules=["proj"], layers_to_transform=[3],
                                                     layers_pattern=["sub", "block"])),
    ("empty pattern list means any", "toy", dict(target_modules=["proj"], layers_to_transform=[5], layers_pattern=[])),
    ("empty pattern string means any", "toy", dict(target_modules=["proj"], layers_to_transform=[5],
                                                   layers_pattern="")),
    ("a leading segment with a number", "toy", dict(target_modules=["scale", "proj"], layers_to_transform=[3],
                                                    layers_pattern="stack")),
    ("experts", "toy", dict(target_modules=["up"], layers_to_transform=[1])),
    ("layers with a string target", "bert", dict(target_modules=r".*query", layers_to_transform=[1])),
    ("pattern with a string target", "bert", dict(target_modules=r".*query", layers_pattern="layer")),
    ("pattern without layers", "bert", dict(target_modules=QV, layers_pattern="layer")),
    # ranks and alphas
    ("rslora", "bert", dict(target_modules=QV, r=9, lora_alpha=6, use_rslora=True)),
    ("rank pattern", "bert", dict(target_modules=QV, rank_pattern={"query": 2})),
    ("rank pattern first hit wins", "bert", dict(target_modules=QV, rank_pattern={
        "query": 2, "layer.1.attention.self.query": 3, "layer.1.attention.self.value": 5, "value": 6})),
    ("rank pattern first hit wins, other order", "bert", dict(target_modules=QV, rank_pattern={
        "layer.1.attention.self.query": 3, "query": 2})),
    ("rank pattern is a regex", "bert", dict(target_modules=QV, rank_pattern={r"layer\.[1-9]\..*\.(query|value)": 3})),
    ("rank pattern dot is any character", "toy", dict(target_modules=["proj", "net.blockx3xproj"],
                                                      rank_pattern={"block.3.proj": 2})),
    ("rank pattern starts at a segment", "toy", dict(target_modules=["my_proj", "net.proj"],
                                                     rank_pattern={"proj": 2})),
    ("rank pattern with a full name and caret", "bert", dict(target_modules=QV, rank_pattern={
        "^bert.encoder.layer.0.attention.self.query": 2})),
    ("rank pattern that hits nothing", "bert", dict(target_modules=QV, rank_pattern={"nonesuch": 2})),
    ("alpha pattern", "bert", dict(target_modules=QV, alpha_pattern={"value": 3})),
    ("rank and alpha pattern", "llama", dict(target_modules=["q_proj", "v_proj", "up_proj"], r=25, lora_alpha=17,
                                             rank_pattern={"up_proj": 9, "layers.0.self_attn.q_proj": 16},
                                             alpha_pattern={"v_proj": 11, "q_proj": 13})),
    ("rank and alpha pattern rslora", "llama", dict(target_modules=["q_proj", "v_proj", "up_proj"], r=25,
                                                    lora_alpha=17, use_rslora=True,
                                                    rank_pattern={"up_proj": 9, "layers.0.self_attn.q_proj": 16},
                                                    alpha_pattern={"v_proj": 11, "q_proj": 13})),
    ("rank pattern with all-linear", "gpt2", dict(target_modules="all-linear", task_type="CAUSAL_LM",
                                                  rank_pattern={r"h\.\d+\.mlp.*": 1}, alpha_pattern={"c_attn": 32})),
    ("rank pattern on an embedding", "bert", dict(target_modules=["word_embeddings", "query"],
                                                  rank_pattern={"word_embeddings": 3})),
    ("rank pattern of zero", "bert", dict(target_modules=QV, rank_pattern={"query": 0})),
    ("rank zero", "bert", dict(target_modules=QV, r=0)),
    ("rank negative", "bert", dict(target_modules=QV, r=-1)),
    # settings that do not go together
    ("bias with dora", "bert", dict(target_modules=QV, lora_bias=True, use_dora=True)),
    ("bias with gaussian", "bert", dict(target_modules=QV, lora_bias=True, init_lora_weights="gaussian")),
    ("unknown init", "bert", dict(target_modules=QV, init_lora_weights="nonesuch")),
    ("unknown bias", "bert", dict(target_modules=QV, bias="nonesuch")),
    ("dora with an embedding", "bert", dict(target_modules=["word_embeddings"], use_dora=True)),
]


def describe(built):
    embeddings = built.get_output_embeddings() if hasattr(built, "get_output_embeddings") else None
    modules = {name: type(m).__name__ for name, m in built.named_modules() if name}
    return {"model_type": getattr(getattr(built, "config", None), "model_type", None),
            "output_embeddings": next((n for n, m in built.named_modules() if embeddings and m is embeddings), None),
            "modules": modules}


def outcome(name, settings):
    try:
        adapted = get_peft_model(model(name), LoraConfig(**copy.deepcopy(settings))).base_model.model  # peft edits lists
    except Exception as error:  # whatever peft raises is the answer
        return {"error": type(error).__name__, "message": str(error).splitlines()[0] if str(error) else ""}
    return {"matched": {n: [m.r["default"], m.scaling["default"]]
                        for n, m in sorted(adapted.named_modules()) if isinstance(m, LoraLayer)},
            "modules_to_save": sorted(n for n, m in adapted.named_modules() if isinstance(m, ModulesToSaveWrapper))}


def main():
    torch.manual_seed(0)
    names = list(dict.fromkeys(name for _, name, _ in CASES))
    assert len({case for case, _, _ in CASES}) == len(CASES)
    cases = []
    for case, name, settings in CASES:
        result = outcome(name, settings)
        cases.append({"name": case, "model": name, "config": settings, **result})
        print(f"{case}: {result.get('error') or len(result['matched'])} {result.get('message', '')[:110]}")
    write_json(GOLDEN / "matcher.json", {"models": {n: describe(model(n)) for n in names}, "cases": cases})


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
