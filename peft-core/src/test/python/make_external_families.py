"""Tiny random models of families that the library does not know, for the tests that add them from outside.

    python peft-core/src/test/python/make_external_families.py

Writes src/external/resources/NAME/, laid out as a language model of make_decoders.py: OLMo 2 (norms after each half
layer, of queries and keys as a whole) and Gemma 3 (two rotary bases in one model).
"""

import shutil
import warnings

import make_decoders

ROOT = make_decoders.GOLDEN.parents[2] / "external" / "resources"
ROPES = dict(sliding_attention=dict(rope_type="default", rope_theta=100.0),
             full_attention=dict(rope_type="linear", rope_theta=10000.0, factor=2.0))
MODELS = {
    "olmo2": ("olmo2", make_decoders.COMMON, {}, None),
    "gemma3": ("gemma3_text", make_decoders.COMMON | dict(
        head_dim=16, query_pre_attn_scalar=24, sliding_window=4, rope_parameters=ROPES,
        layer_types=["sliding_attention", "full_attention"]), {}, None),
}


def main():
    make_decoders.ROOT = ROOT
    make_decoders.MODELS.update(MODELS)
    for i, name in enumerate(MODELS):
        shutil.rmtree(ROOT / name, ignore_errors=True)
        make_decoders.language_model(name, 9000 + 100 * i)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
