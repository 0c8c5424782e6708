"""How an error depends on width n, inner width M and depth L together: python examples/shapes.py RUN...

Each RUN is a run directory of two-layer blocks with an inner width of its own, as of

    for m in 1000 10000 100000; do
      nfd run jobs/shapes.json --set model.inner_width=$m --output runs/shapes-$m
    done
    python examples/shapes.py runs/shapes-*

Fits C n^a M^b L^c to the mean square of h_L - h_2L and of f_L - f_2L after the last update, on one Brownian
path, by least squares of logarithms, seed by seed: the mean over seeds with its 95 % interval by Student's t.
Once over all sizes, and once over those with n/(LM) at most 0.1, where the noise of the initial weights in h is small.
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd

# Two-sided 95 % points of Student's t by degrees of freedom, 3 to 31.
T95 = [3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110]
T95 += [2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042, 2.040]


def errors(run):
    """Mean squares by seed, width and depth after the last update, with the inner width of the run."""
    results = pd.read_csv(run / "results.csv")
    model = json.loads((run / "manifest.json").read_text())["experiment"]["model"]
    last = results[(results.step == results.step.max()) & (results.closure == "exact")]
    features = last[last.observable == "strong.h"]
    features = features[features.depth_time == features.depth_time.max()]
    outputs = last[last.observable == "difference.f"]
    both = pd.concat([features.assign(of="h"), outputs.assign(of="f", value=outputs.value**2)])
    means = both.groupby(["of", "seed", "width", "depth"]).value.mean().reset_index()
    inner = model.get("inner_width", "1n")
    times = str(inner).endswith("n")
    return means.assign(inner=means.width * float(inner[:-1] or 1) if times else float(inner))


def exponents(table, sizes):
    """Exponents of the sizes that vary, a row a seed."""
    rows = []
    for _, seed in table.groupby("seed"):
        design = np.column_stack([np.ones(len(seed)), np.log(seed[sizes].to_numpy(float))])
        rows.append(np.linalg.lstsq(design, np.log(seed.value.to_numpy()), rcond=None)[0][1:])
    return np.array(rows)


table = pd.concat([errors(pathlib.Path(run)) for run in sys.argv[1:]], ignore_index=True)
symbols = {"width": "n", "inner": "M", "depth": "L"}
sizes = [size for size in symbols if table[size].nunique() > 1]
print("sizes:", ", ".join(f"{symbols[s]} = {sorted(table[s].unique().astype(int).tolist())}" for s in sizes))
small = table.width / (table.depth * table.inner) <= 0.1
for where, part in [("all sizes", table), ("n/(LM) <= 0.1", table[small])]:
    for of in ["h", "f"]:
        by_seed = exponents(part[part.of == of], sizes)
        seeds = len(by_seed)
        if not 4 <= seeds <= 32:
            sys.exit(f"takes 4 to 32 seeds, has {seeds}")
        half = T95[seeds - 4] * by_seed.std(axis=0, ddof=1) / np.sqrt(seeds)
        shown = [
            f"{symbols[size]}^{value:.3f} [{value - width:.3f}, {value + width:.3f}]"
            for size, value, width in zip(sizes, by_seed.mean(axis=0), half)
        ]
        print(f"{where}: mean square of {of}_L - {of}_2L:", ", ".join(shown), f"({seeds} seeds)")
