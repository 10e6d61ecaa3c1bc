"""Writes golden/embeddings.json: vectors of texts as transformers' encoders and sentence-transformers'
pooling give them (mean of the tokens' last states, or the first one), scaled to length 1 and as it is.

Needs torch and transformers 5.18, and the checkpoints of make_encoders.py.
"""
import json
import pathlib

import torch
from transformers import AutoModel

GOLDEN = pathlib.Path(__file__).parent.parent / "resources" / "golden"
TEXTS = [[2, 17, 40, 5, 3], [2, 9, 3], [2, 30, 31, 32, 33, 34, 35, 3], [2, 88, 61, 12, 70, 3]]

golden = {}
for name in ("bert", "roberta", "distilbert"):
    model = AutoModel.from_pretrained(GOLDEN / "encoders" / name).eval()
    cases = []
    for ids in TEXTS:
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0]
        case = {"ids": ids}
        for pooling, vector in (("mean", states.mean(0)), ("first", states[0])):
            case[pooling] = torch.nn.functional.normalize(vector, dim=0).tolist()
            case[pooling + "_as_it_is"] = vector.tolist()
        cases.append(case)
    golden[name] = cases
(GOLDEN / "embeddings.json").write_text(json.dumps(golden) + "\n")
