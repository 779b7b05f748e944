# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The report's main comparison, once more
#
# This notebook reads the results of a study with pandas and computes the comparison of the report by itself: pooled intervals, paired
# differences, joint significance. Where it does not come to the same numbers as `summary.json`, it stops.
#
# Results first: `lbsim scenarios/cart.yaml`. Another folder: set `LBSIM_RESULTS`.

# %%
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import t

folder = Path(os.environ.get("LBSIM_RESULTS", "../results/cart"))
summary = json.loads((folder / "summary.json").read_text())
runs = pd.read_csv(folder / "runs.csv")
timeline = pd.read_csv(folder / "timeline.csv")
print(summary["scenario"], "- seed", summary["seed"], "-", summary["replications"], "replications,", len(summary["variants"]), "variants")

# %% [markdown]
# ## Each variant, with the interval of its replications
#
# The mean over the n replications, and t(n - 1) standard errors to both sides. (`summary.json` tells percentiles of the pooled requests, with the
# same half-widths.)

# %%
def half_width(values, level=0.05):
    """Half of Student's interval of the mean."""
    n = len(values)
    return t.ppf(1 - level / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)


runs["failed_of_finished"] = (runs.failed + runs.stuck) / (runs.ok + runs.failed + runs.stuck)
columns = {"mean": "mean_ms", "p50": "p50_ms", "p99": "p99_ms", "p99_9": "p99_9_ms", "failed_share": "failed_of_finished"}
names = [variant["name"] for variant in summary["variants"]]
by_variant = {name: rows.sort_values("replication").set_index("replication") for name, rows in runs.groupby("variant", sort=False)}
table = pd.DataFrame(
    {
        metric: [f"{rows[column].mean():.4g} ± {half_width(rows[column]):.2g}" for rows in by_variant.values()]
        for metric, column in columns.items()
    },
    index=list(by_variant),
)
table

# %% [markdown]
# The half-widths are those of `summary.json`:

# %%
checked = 0
for variant in summary["variants"]:
    for metric in ["mean", "p50", "p99"]:
        told = variant["latency_ms"][metric]
        low, high = told["ci95"]
        if low == 0:
            continue  # cut off at zero, where it ends
        own = half_width(by_variant[variant["name"]][columns[metric]])
        assert np.isclose((high - low) / 2, own, rtol=1e-5), (variant["name"], metric, (high - low) / 2, own)
        checked += 1
print(checked, "intervals agree")

# %% [markdown]
# ## Who is better
#
# All variants met the same requests, so they are compared replication by replication. A difference is called significant where zero lies outside
# of an interval at the level 0.05 / (number of comparisons): all of them hold together with 95 %.

# %%
rows = []
for told in summary["comparisons"]:
    best, against = (by_variant[told[side]][columns[told["metric"]]] for side in ("best", "against"))
    difference = (best - against).dropna()
    others = sum(other["metric"] == told["metric"] and other["point"] == told["point"] for other in summary["comparisons"])
    value, half = difference.mean(), half_width(difference)
    significant = abs(value) > half_width(difference, 0.05 / others)
    assert np.isclose(value, told["difference"]["value"], rtol=1e-6, atol=1e-12), told
    assert np.allclose([value - half, value + half], told["difference"]["ci95"], rtol=1e-5, atol=1e-9), told
    assert significant == told["significant"], told
    rows.append([told["metric"], told["best"], told["against"], value, value - half, value + half, significant])
comparison = pd.DataFrame(rows, columns=["metric", "best", "against", "difference", "from", "to", "significant"])
print(len(comparison), "paired comparisons agree with summary.json")
comparison[comparison.metric == "p99"]

# %% [markdown]
# ## p99 of each variant

# %%
p99 = {name: rows.p99_ms for name, rows in by_variant.items()}
figure, axes = plt.subplots(figsize=(8, 0.5 * len(p99) + 1))
axes.errorbar([values.mean() for values in p99.values()], list(p99), xerr=[half_width(values) for values in p99.values()], fmt="o", capsize=3)
axes.invert_yaxis()
axes.set_xlabel("p99 (ms), mean of the replications with 95 % interval")
axes.set_xlim(left=0)
axes.grid(axis="x", alpha=0.3)
figure.tight_layout()

# %% [markdown]
# ## Latency over time

# %%
whole = timeline[timeline.server.isna()]
figure, axes = plt.subplots(figsize=(8, 4))
for name, rows in whole.groupby("variant", sort=False):
    axes.plot(rows.t_s, rows.p99_ms, label=name, linewidth=1)
axes.set_yscale("log")
axes.set_xlabel("time (s)")
axes.set_ylabel("p99 in each bin (ms)")
axes.legend(fontsize="small")
axes.grid(alpha=0.3)
figure.tight_layout()
