"""Writes metrics.json: predictions, references and their measures by scikit-learn and SciPy.

Run with scikit-learn 1.9.1 and SciPy 1.17.1 installed: python metrics.py
"""
import json
import os
import warnings

import numpy as np
from scipy import stats
from sklearn import metrics

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)


def classes(name, predicted, reference):
    positive = {int(c): metrics.f1_score(np.equal(reference, c), np.equal(predicted, c)) for c in range(4)}
    return {
        "name": name,
        "predicted": [int(v) for v in predicted],
        "reference": [int(v) for v in reference],
        "accuracy": metrics.accuracy_score(reference, predicted),
        "f1": positive,
        "f1_macro": metrics.f1_score(reference, predicted, average="macro"),
        "f1_micro": metrics.f1_score(reference, predicted, average="micro"),
        "matthews": metrics.matthews_corrcoef(reference, predicted),
    }


def hot(name, predicted, reference):
    return {
        "name": name,
        "predicted": predicted.astype(bool).tolist(),
        "reference": reference.astype(bool).tolist(),
        "f1_macro": metrics.f1_score(reference, predicted, average="macro"),
        "f1_micro": metrics.f1_score(reference, predicted, average="micro"),
        "subset_accuracy": metrics.accuracy_score(reference, predicted),
    }


def numbers(name, predicted, reference):
    def defined(value):
        return 0.0 if np.isnan(value) else float(value)

    return {
        "name": name,
        "predicted": [float(v) for v in predicted],
        "reference": [float(v) for v in reference],
        "pearson": defined(stats.pearsonr(predicted, reference)[0]),
        "spearman": defined(stats.spearmanr(predicted, reference)[0]),
        "mse": float(np.mean(np.square(np.subtract(predicted, reference)))),
    }


reference2, reference4 = rng.integers(0, 2, 60), rng.integers(0, 4, 80)
x = rng.normal(size=50)
golden = {
    "classes": [
        classes("binary", np.where(rng.random(60) < 0.8, reference2, 1 - reference2), reference2),
        classes("four", np.where(rng.random(80) < 0.6, reference4, rng.integers(0, 4, 80)), reference4),
        classes("class never predicted", [0, 0, 1, 1], [0, 2, 1, 1]),
        classes("class that never occurs", [0, 3, 1, 1], [0, 1, 1, 1]),
        classes("constant prediction", [1, 1, 1, 1], [0, 1, 0, 1]),
        classes("one class only", [0, 0, 0], [0, 0, 0]),
        classes("all wrong", [1, 0, 1], [0, 1, 0]),
    ],
    "hot": [
        hot("random", rng.integers(0, 2, (30, 5)), rng.integers(0, 2, (30, 5))),
        hot("empty column", np.array([[1, 0, 0], [0, 1, 0]]), np.array([[1, 1, 0], [0, 1, 0]])),
        hot("nothing at all", np.zeros((2, 3), int), np.zeros((2, 3), int)),
    ],
    "numbers": [
        numbers("noisy", x + 0.5 * rng.normal(size=50), x),
        numbers("ties", [1, 2, 2, 3, 3, 3, 5], [1, 1, 2, 2, 4, 4, 4]),
        numbers("opposite", [3, 2, 1], [10, 20, 90]),
        numbers("constant", [1, 1, 1], [1, 2, 3]),
    ],
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "metrics.json"), "w") as file:
    json.dump(golden, file)
    file.write("\n")
