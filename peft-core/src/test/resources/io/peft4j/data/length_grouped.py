"""Writes length_grouped.json: the order that transformers' group_by_length gives, for permutations.

Run with transformers 5.18 installed: python length_grouped.py
"""
import json
import os

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

cases = []
for n, batch, longest in [(1, 4, 9), (7, 4, 9), (40, 4, 60), (333, 2, 30), (1000, 3, 12)]:
    lengths = torch.randint(1, longest + 1, (n,), generator=torch.Generator().manual_seed(n)).tolist()
    order = torch.randperm(n, generator=torch.Generator().manual_seed(5)).tolist()
    grouped = get_length_grouped_indices(lengths, batch, generator=torch.Generator().manual_seed(5))
    cases.append({"batch": batch, "lengths": lengths, "order": order, "grouped": grouped})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "length_grouped.json"), "w") as file:
    json.dump(cases, file)
    file.write("\n")
