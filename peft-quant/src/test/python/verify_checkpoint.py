"""Compares a checkpoint that Java quantized with what transformers and bitsandbytes make themselves.

    python verify_checkpoint.py make DIR             # tiny random models: DIR/llama, DIR/bert, DIR/gpt2
    python verify_checkpoint.py compare DENSE QUANTIZED
    python verify_checkpoint.py logprobs DIR ID...  # of a causal model, a JSON list

Needs torch, transformers, accelerate, bitsandbytes (CPU). Exits with 1 if anything differs.
"""

import json
import os
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch
from bitsandbytes import functional as F
from bitsandbytes.nn import Int8Params, Params4bit
from transformers import (AutoModelForCausalLM, AutoModelForSequenceClassification, BertConfig,
                          BertForSequenceClassification, BitsAndBytesConfig, GPT2Config, GPT2LMHeadModel, LlamaConfig,
                          LlamaForCausalLM)

torch.set_num_threads(1)


def make(out):
    torch.manual_seed(3)
    llama = LlamaConfig(vocab_size=300, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
                        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)
    LlamaForCausalLM(llama).to(torch.bfloat16).save_pretrained(f"{out}/llama", max_shard_size="200KB")
    bert = BertConfig(vocab_size=300, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                      num_attention_heads=4, num_labels=3)
    BertForSequenceClassification(bert).save_pretrained(f"{out}/bert")
    gpt2 = GPT2Config(vocab_size=300, n_embd=64, n_layer=2, n_head=4, n_positions=64)
    GPT2LMHeadModel(gpt2).to(torch.float16).save_pretrained(f"{out}/gpt2")


def load(path, config=None, dtype="auto"):
    kinds = json.load(open(f"{path}/config.json"))["architectures"][0]
    auto = AutoModelForSequenceClassification if "Sequence" in kinds else AutoModelForCausalLM
    chosen = {} if config is None else {"quantization_config": config}
    return auto.from_pretrained(path, dtype=dtype, device_map="cpu", **chosen).eval()


def parts(parameter):
    if isinstance(parameter, Params4bit):
        state = parameter.quant_state
        found = {"codes": parameter.data, "absmax": state.absmax, "code": state.code,
                 "dense": F.dequantize_4bit(parameter.data, state)}
        if state.nested:
            found |= {"offset": state.offset, "nested_absmax": state.state2.absmax, "nested_code": state.state2.code}
        assert state.dtype is not None and state.blocksize == 64
        return found
    if isinstance(parameter, Int8Params):
        return {"codes": parameter.data, "SCB": parameter.SCB}
    return {"values": parameter.data}


def compare(dense, quantized):
    written = json.load(open(f"{quantized}/config.json"))["quantization_config"]
    config = BitsAndBytesConfig(**{k: v for k, v in written.items() if not k.startswith("_") and k != "quant_method"})
    assert config.to_dict() == BitsAndBytesConfig.from_dict(dict(written)).to_dict()
    ours, theirs = load(quantized), load(dense, config)
    mine, reference = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert mine.keys() == reference.keys(), mine.keys() ^ reference.keys()
    packed = 0
    for name, parameter in reference.items():
        assert type(parameter) is type(mine[name]), (name, type(mine[name]))
        expected, found = parts(parameter), parts(mine[name])
        assert expected.keys() == found.keys(), name
        for part, value in expected.items():
            assert value.dtype == found[part].dtype and torch.equal(value, found[part]), f"{name}: {part}"
        packed += isinstance(parameter, (Params4bit, Int8Params))
    tokens = torch.arange(1, 33).reshape(2, 16)
    how = ""
    with torch.no_grad():
        try:
            expected = theirs(tokens).logits
        except AssertionError as error:  # its AVX-512 bf16 kernel wants outputs in multiples of 32
            how = f" (on dense weights, as bitsandbytes' own forward fails: '{error}')"
            ours, theirs = load(quantized).dequantize(), load(dense, config).dequantize()  # the forward repacked some
            expected = theirs(tokens).logits
        logits = ours(tokens).logits
    assert torch.isfinite(logits).all() and torch.equal(logits, expected), (logits - expected).abs().max()
    print(f"{packed} quantized weights of {len(reference)} parameters and the logits are equal{how}")


def log_probs(path, ids):
    model = load(path, dtype=torch.float32)
    packed = [p for p in model.parameters() if isinstance(p, Params4bit)]
    assert packed, "no packed weight"
    for parameter in packed:
        parameter.quant_state.dtype = torch.float32  # else decoded to the dense model's type
    model = model.dequantize()  # bitsandbytes' own product on AVX-512 is in bfloat16, whatever is asked
    ids = torch.tensor([ids])
    with torch.no_grad():
        values = model(ids).logits[0, :-1].float().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    print(json.dumps(values.tolist()))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "compare":
        compare(sys.argv[2], sys.argv[3])
    else:
        log_probs(sys.argv[2], [int(i) for i in sys.argv[3:]])
