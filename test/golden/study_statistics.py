"""Writes study_statistics.json: Student's t, paired t tests and sign-flip tests by scipy, for test/lab/study_statistics.test.ts.

Run: pip install scipy==1.17.1 && python test/golden/study_statistics.py
"""
import json
import pathlib

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20240603)
quantiles = [
    [p, df, stats.t.ppf(p, df)]
    for df in [1, 2, 5, 11, 19, 31, 200]
    for p in [0.6, 0.9, 0.975, 0.99, 0.9916666666666667, 0.9975, 0.9999]
]
tests = []
for n in [2, 5, 9, 12, 13]:
    values = np.round(rng.normal(0.05, 0.15, n) * 16) / 16  # sixteen items a user: ties and zeros happen
    for null in [0.0, 0.05, -0.1]:
        t = stats.ttest_1samp(values, null)
        low, high = t.confidence_interval(0.95)
        flips = stats.permutation_test(
            (values - null,), lambda x, axis: x.sum(axis), permutation_type="samples", n_resamples=np.inf
        )
        tests.append({"values": values.tolist(), "null": null, "p": t.pvalue, "low": low, "high": high, "flips": flips.pvalue})
welch = []
for n, m in [(10, 10), (5, 17), (20, 8)]:
    a, b = np.round(rng.normal(0.1, 0.1, n), 3), np.round(rng.normal(0.05, 0.3, m), 3)
    t = stats.ttest_ind(a, b, equal_var=False)
    low, high = t.confidence_interval(0.95)
    welch.append({"a": a.tolist(), "b": b.tolist(), "p": t.pvalue, "df": t.df, "low": low, "high": high})
ps = [[0.01, 0.04, 0.03, 0.005], [0.2, 0.001, 0.6], [0.012, 0.02, 0.024], [0.5]]
# Holm by its definition: max over j ≤ i of min(1, (m − j + 1) · p_(j)), in the order of p.
def holm(values):
    order = np.argsort(values)
    adjusted = np.minimum(1, np.maximum.accumulate(np.array(values)[order] * (len(values) - np.arange(len(values)))))
    out = np.empty(len(values))
    out[order] = adjusted
    return out.tolist()


golden = {"scipy": scipy.__version__, "quantiles": quantiles, "tests": tests, "welch": welch, "holm": [{"p": p, "adjusted": holm(p)} for p in ps]}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
