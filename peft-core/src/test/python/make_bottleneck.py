"""Bottleneck adapters in the layout of the adapters library, whose formulas are written out here.

    python peft-core/src/test/python/make_bottleneck.py        (after make_encoders.py and make_decoders.py)

needs torch and transformers (made with 2.13 and 5.18). Writes src/test/resources/golden/methods/bottleneck-NAME/ with
adapter_config.json, adapter.safetensors and, for classifiers, head_config.json and model_head.safetensors as that
library has them, and golden.json and grads.safetensors as make_methods.py has them.
"""

import json
import os
import types

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import gelu, leaky_relu, silu

from make_methods import ENCODERS, ROOT, decoder_golden, encoder_golden, load
from tiny import GOLDEN, numbers, write_json

PFEIFFER = dict(mh_adapter=False, output_adapter=True, reduction_factor=8, non_linearity="relu",
                original_ln_before=True, original_ln_after=True, ln_before=False, ln_after=False, init_weights="bert",
                init_weights_seed=None, is_parallel=False, scaling=1.0, use_gating=False, residual_before_ln=True,
                adapter_residual_before_ln=False, inv_adapter=None, inv_adapter_reduction_factor=None,
                cross_adapter=False, leave_out=[], dropout=0.0, phm_layer=False, phm_dim=4, factorized_phm_W=True,
                shared_W_phm=False, shared_phm_rule=True, factorized_phm_rule=False, phm_c_init="normal",
                phm_init_range=0.0001, learn_phm=True, hypercomplex_nonlinearity="glorot-uniform", phm_rank=1,
                phm_bias=True, stochastic_depth=0.0)
HOULSBY = PFEIFFER | dict(original_ln_before=False, mh_adapter=True, non_linearity="swish")
PARALLEL = PFEIFFER | dict(original_ln_before=False, init_weights="mam_adapter", is_parallel=True, scaling=4.0)

# name: (base, config)
ADAPTERS = {
    "pfeiffer-bert": ("bert-no-dropout", PFEIFFER),
    "houlsby-bert": ("bert-no-dropout", HOULSBY),
    "parallel-bert": ("bert-no-dropout", PARALLEL),
    "learned-bert": ("bert-no-dropout", PARALLEL | dict(scaling="learned", mh_adapter=True)),
    "channel-bert": ("bert-no-dropout", HOULSBY | dict(scaling="channel", non_linearity="leakyrelu")),
    "drop-bert": ("bert-no-dropout", PFEIFFER | dict(leave_out=[0], non_linearity="gelu")),
    "factors-bert": ("bert-no-dropout", HOULSBY | dict(reduction_factor={"1": 4, "default": 16})),
    "norms-bert": ("bert-no-dropout", PFEIFFER | dict(ln_after=True, residual_before_ln=False)),
    "post-add-bert": ("bert-no-dropout", PFEIFFER | dict(residual_before_ln="post_add", ln_after=True,
                                                         adapter_residual_before_ln=True)),
    "gated-bert": ("bert-no-dropout", PFEIFFER | dict(use_gating=True)),
    "houlsby-distilbert": ("distilbert-no-dropout", HOULSBY),
    "pfeiffer-llama": ("llama", PFEIFFER),
    "parallel-llama": ("llama", PARALLEL | dict(mh_adapter=True)),
    "houlsby-gpt2": ("gpt2", HOULSBY),
}
ACTIVATIONS = {"relu": torch.relu, "swish": silu, "gelu": gelu, "leakyrelu": leaky_relu}


class Bottleneck(nn.Module):
    def __init__(self, config, hidden, layer):
        super().__init__()
        self.config = config
        factor = config["reduction_factor"]
        if isinstance(factor, dict):
            factor = factor.get(str(layer), factor["default"])
        inner = int(hidden // factor)
        self.adapter_down = nn.Sequential(nn.Linear(hidden, inner))
        self.adapter_up = nn.Linear(inner, hidden)
        if config["scaling"] in ("learned", "channel"):
            self.scaling = nn.Parameter(torch.ones(1 if config["scaling"] == "learned" else hidden))
        else:
            self.scaling = config["scaling"]
        if config["use_gating"]:
            self.gate = nn.Linear(hidden, 1)
        if config["ln_after"]:
            self.adapter_norm_after = nn.LayerNorm(hidden)

    def output(self, x, around):
        y = self.scaling * self.adapter_up(ACTIVATIONS[self.config["non_linearity"]](self.adapter_down(x)))
        if self.config["use_gating"]:
            y = y * torch.sigmoid(self.gate(x)).mean(dim=1, keepdim=True)
        if around is not None and self.config["adapter_residual_before_ln"]:
            return self.adapter_norm_after(y + around)
        y = self.adapter_norm_after(y) if self.config["ln_after"] else y
        return y if around is None else y + around

    def forward(self, y, residual, norm):
        norm = norm or (lambda h: h)
        if self.config["is_parallel"]:
            return norm(self.output(residual, None) + y + residual)
        x = norm(y + residual) if self.config["original_ln_before"] else y
        around = {True: y, False: x, "post_add": y + residual}[self.config["residual_before_ln"]]
        return norm(self.output(x, around) + residual)


class Places(nn.Module):
    def __init__(self, bottleneck):
        super().__init__()
        self.adapters = nn.ModuleDict({"task": bottleneck})

    def forward(self, y, residual, norm):
        return self.adapters["task"](y, residual, norm)


def joined(place, y, residual, norm):
    """What a sub-layer gives on: through the adapter, if there is one."""
    if place is not None:
        return place(y, residual, norm)
    return norm(y + residual) if norm else y + residual


def place(module, name):
    return getattr(module, name, None)


def bert_output(self, hidden_states, input_tensor):
    own = self.adapters["task"] if hasattr(self, "adapters") else None
    return joined(own, self.dense(hidden_states), input_tensor, self.LayerNorm)


def distilbert_block(self, hidden_states, attention_mask=None, **kwargs):
    y, _ = self.attention(hidden_states, attention_mask=attention_mask, **kwargs)
    middle = joined(place(self, "attention_adapters"), y, hidden_states, self.sa_layer_norm)
    return joined(place(self, "output_adapters"), self.ffn(middle), middle, self.output_layer_norm)


def llama_block(self, hidden_states, **kwargs):
    y, _ = self.self_attn(hidden_states=self.input_layernorm(hidden_states), **kwargs)
    middle = joined(place(self, "attention_adapters"), y, hidden_states, None)
    return joined(place(self, "output_adapters"), self.mlp(self.post_attention_layernorm(middle)), middle, None)


def gpt2_block(self, hidden_states, past_key_values=None, attention_mask=None, *unused, **kwargs):
    for cross in ("encoder_hidden_states", "encoder_attention_mask"):
        kwargs.pop(cross, None)
    y = self.attn(self.ln_1(hidden_states), past_key_values=past_key_values, attention_mask=attention_mask,
                  **kwargs)[0]
    middle = joined(place(self, "attention_adapters"), y, hidden_states, None)
    return joined(place(self, "output_adapters"), self.mlp(self.ln_2(middle)), middle, None)


def layers_of(model):
    for path in ("bert.encoder.layer", "distilbert.transformer.layer", "model.layers", "transformer.h"):
        try:
            return model.get_submodule(path)
        except AttributeError:
            continue
    raise ValueError(type(model))


def add(model, config):
    hidden = model.config.hidden_size
    for i, layer in enumerate(layers_of(model)):
        made = {name: Bottleneck(config, hidden, i) if config[key] and i not in config["leave_out"] else None
                for name, key in (("attention", "mh_adapter"), ("output", "output_adapter"))}
        if model.config.model_type == "bert":
            for owner, name in ((layer.attention.output, "attention"), (layer.output, "output")):
                owner.forward = types.MethodType(bert_output, owner)
                if made[name] is not None:
                    owner.adapters = nn.ModuleDict({"task": made[name]})
            continue
        for name, bottleneck in made.items():
            if bottleneck is not None:
                setattr(layer, f"{name}_adapters", Places(bottleneck))
        block = {"distilbert": distilbert_block, "llama": llama_block, "gpt2": gpt2_block}[model.config.model_type]
        layer.forward = types.MethodType(block, layer)


def one(name, base, config, seed):
    encoder = base in ENCODERS
    model = load(base)
    add(model, config)
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    trained = {}
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            parameter.requires_grad_("adapters." in key or key.startswith(("classifier", "pre_classifier")))
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(1 + 0.2 * noise if "scaling" in key or "norm_after.weight" in key else 0.2 * noise)
                trained[key] = parameter
    # A gate is a mean over all of a row, padding included; ours leaves padding out.
    golden, loss, _ = encoder_golden(model, base) if encoder else decoder_golden(model, seed)
    if config["use_gating"]:
        golden, loss, _ = only_unpadded(model, base)
    loss.backward()
    folder = ROOT / f"bottleneck-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    around = {"hidden_size": model.config.hidden_size, "model_class": type(model).__name__,
              "model_name": f"{'encoders' if encoder else 'decoders'}/{base}", "model_type": model.config.model_type,
              "name": "task", "version": "adapters.1.2.0"}
    documents = {"adapter_config.json": {"config": config} | around}
    adapters = {k: v.detach().clone() for k, v in trained.items() if "adapters." in k}
    save_file(adapters, folder / "adapter.safetensors", metadata={"format": "pt"})
    if encoder:
        documents["head_config.json"] = around | {
            "config": None, "name": None, "label2id": model.config.label2id, "num_labels": model.config.num_labels}
        heads = {k: v.detach().clone() for k, v in trained.items() if "adapters." not in k}
        save_file(heads, folder / "model_head.safetensors", metadata={"format": "pt"})
    for file, document in documents.items():
        (folder / file).write_text(json.dumps(document, indent=2, sort_keys=True))
    save_file({k: v.grad for k, v in trained.items()}, folder / "grads.safetensors")
    write_json(folder / "golden.json", {
        "base": f"{'encoders' if encoder else 'decoders'}/{base}",
        "trainable": sum(v.numel() for v in trained.values()), "loss": numbers(loss), **golden})


def only_unpadded(model, base):
    model.zero_grad()
    golden, loss, logits = encoder_golden(model, base, ["unpadded"])
    return golden, loss, logits


def main():
    os.chdir(GOLDEN)
    for i, (name, (base, config)) in enumerate(ADAPTERS.items()):
        print(name, flush=True)
        one(name, base, config, 12000 + 10 * i)


if __name__ == "__main__":
    main()
