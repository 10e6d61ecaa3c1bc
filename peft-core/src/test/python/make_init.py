"""LoRA adapters that start from the base's own weight, saved by Hugging Face peft: PiSSA and OLoRA.

    python peft-core/src/test/python/make_init.py        (after make_encoders.py)

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Writes src/test/resources/golden/init/NAME/:
adapter_config.json, adapter_model.safetensors    after all factors have been moved at random
start.safetensors    of the first query layer, before that: "product" is B A, "residual" what the base weight became
golden.json          {"base", "logits": {case: rows}} after the move; the cases are those of the base's golden.json
"""

import os
import shutil
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

from make_lora import SEQ_CLS, difference, load, lora, outputs, plain, randomize_adapter
from tiny import GOLDEN, write_json

ROOT = GOLDEN / "init"

# name: (base, LoraConfig settings)
ADAPTERS = {
    "pissa": ("bert", lora(init_lora_weights="pissa", **SEQ_CLS)),
    "pissa-rslora-patterns": ("bert", lora(init_lora_weights="pissa", use_rslora=True, rank_pattern={"value": 6},
                                           target_modules=["query", "value", "intermediate.dense"])),
    "pissa-dora": ("bert", lora(init_lora_weights="pissa", use_dora=True)),
    "olora": ("bert", lora(init_lora_weights="olora", **SEQ_CLS)),
    "olora-distilbert": ("distilbert", lora(init_lora_weights="olora", target_modules=["q_lin", "v_lin", "lin1"])),
    "olora-dora": ("bert", lora(init_lora_weights="olora", use_dora=True)),
}


def one(name, base, settings, seed):
    untouched = outputs(load(base), base)
    torch.manual_seed(seed)
    model = get_peft_model(load(base), LoraConfig(**settings)).eval()
    start = difference(outputs(model, base), untouched)
    assert start < 1e-5, (name, start)
    folder = ROOT / name
    query = next(m for n, m in model.named_modules() if n.endswith((".query", ".q_lin")))
    product = (query.lora_B["default"].weight @ query.lora_A["default"].weight).detach()
    folder.mkdir(parents=True)
    save_file({"product": product.contiguous(), "residual": query.base_layer.weight.detach().clone().contiguous()},
              folder / "start.safetensors")
    randomize_adapter(model, seed)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    expected = outputs(model, base)
    assert difference(expected, untouched) > 0.05, name
    reloaded = PeftModel.from_pretrained(load(base), folder).eval()
    again = difference(expected, outputs(reloaded, base))
    print(f"{name}: at the start {start:.1e} from the base, reloaded {again:.1e}")
    assert again < 1e-5, name
    write_json(folder / "golden.json", {"base": f"encoders/{base}", "logits": plain(expected)})


def main():
    os.chdir(GOLDEN)
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, (name, (base, settings)) in enumerate(ADAPTERS.items()):
        one(name, base, settings, 7000 + 10 * i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
