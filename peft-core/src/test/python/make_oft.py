"""Adapters of OFT, which a method outside the library reads, saved by peft, with its outputs and first gradients.

    python peft-core/src/test/python/make_oft.py        (after make_encoders.py and make_decoders.py)
    python peft-core/src/test/python/make_oft.py check FOLDER      loads what OftMethodTest saved there

needs torch, transformers and peft (made with 2.13, 5.18 and 0.21). Every trainable tensor is random and nonzero.
Writes src/external/resources/golden/oft/NAME/, as make_methods.py does for the methods of the library. check takes the folders' names for those of the goldens, and compares
keys, shapes, numbers and outputs.
"""

import json
import os
import shutil
import sys
import warnings
from pathlib import Path

import torch
from peft import OFTConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

import make_methods
from make_methods import decoder_golden, encoder_golden, load, on_disk, run_encoder
from tiny import GOLDEN, numbers, write_json

ROOT = GOLDEN.parents[2] / "external" / "resources" / "golden" / "oft"

# name: (base, settings)
ADAPTERS = {
    "oft-bert": ("bert-no-dropout", dict(oft_block_size=8, target_modules=["query", "value", "output.dense"])),
    "oft-exact-bert": ("bert-no-dropout", dict(oft_block_size=5, use_cayley_neumann=False, target_modules=["key"])),
    "oft-share-bert": ("bert-no-dropout", dict(r=4, oft_block_size=0, block_share=True, num_cayley_neumann_terms=3,
                                               target_modules=["query", "intermediate.dense"])),
    "oft-llama": ("llama", dict(oft_block_size=8, target_modules="all-linear", num_cayley_neumann_terms=7)),
}


def one(name, base, settings, seed):
    encoder = base in make_methods.ENCODERS
    torch.manual_seed(seed)
    config = OFTConfig(task_type="SEQ_CLS" if encoder else "CAUSAL_LM", **settings)
    model = get_peft_model(load(base), config).eval()
    make_methods.randomize(model, seed)
    model.save_pretrained(ROOT / name)
    (ROOT / name / "README.md").unlink()
    golden, loss, logits = encoder_golden(model, base) if encoder else decoder_golden(model, seed)
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    save_file(on_disk(model, grads), ROOT / name / "grads.safetensors")
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    write_json(ROOT / name / "golden.json", {
        "base": f"{'encoders' if encoder else 'decoders'}/{base}", "trainable": trainable, "loss": numbers(loss), **golden})
    if encoder:
        untouched = run_encoder(load(base), base, golden["cases"])
        for case, value in logits.items():
            assert (value - untouched[case]).abs().max() > 0.02, name  # the adapter must show


def check(folder):
    for name, (base, _) in ADAPTERS.items():
        ours, theirs = (load_file(root / name / "adapter_model.safetensors") for root in (folder, ROOT))
        assert ours.keys() == theirs.keys(), (name, ours.keys() ^ theirs.keys())
        for key in ours:
            assert torch.equal(ours[key], theirs[key]), (name, key)
        for key, value in json.loads((ROOT / name / "adapter_config.json").read_text()).items():
            if key not in ("target_modules", "modules_to_save", "peft_version", "auto_mapping"):
                found = json.loads((folder / name / "adapter_config.json").read_text()).get(key)
                assert found == value, (name, key, found, value)
        models = [PeftModel.from_pretrained(load(base), root / name).eval() for root in (folder, ROOT)]
        with torch.no_grad():
            ids = torch.tensor([[5, 6, 7, 8, 9]])
            a, b = (model(input_ids=ids).logits for model in models)
        assert torch.equal(a, b), name
        print(name, "loads in peft and gives the same")


def main():
    os.chdir(GOLDEN)
    if sys.argv[1:2] == ["check"]:
        check(Path(sys.argv[2]))
        return
    shutil.rmtree(ROOT, ignore_errors=True)
    for i, (name, (base, settings)) in enumerate(ADAPTERS.items()):
        one(name, base, settings, 9700 + 10 * i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    if sys.argv[1:2] == ["check"]:
        sys.argv[2] = os.path.abspath(sys.argv[2])
    main()
