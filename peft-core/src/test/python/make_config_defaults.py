"""What transformers' config classes have where config.json says nothing.

    python peft-core/src/test/python/make_config_defaults.py

needs transformers (made with 5.18). Writes src/test/resources/golden/config-defaults.json: for each model_type that is
known, the keys of its class and of those that are common to all, with the values that they end up with.
"""

import json

from transformers import AutoConfig

from tiny import GOLDEN, write_json

TYPES = ["bert", "roberta", "distilbert", "llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "gpt2", "gpt_neox"]


def main():
    found = {}
    for kind in TYPES:
        values = json.loads(json.dumps(AutoConfig.for_model(kind).to_dict()))
        for key in ("_name_or_path", "transformers_version"):
            values.pop(key)
        found[kind] = dict(sorted(values.items()))
    write_json(GOLDEN / "config-defaults.json", found)


if __name__ == "__main__":
    main()
