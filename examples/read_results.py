"""Reads a run directory with pandas and NumPy alone: python examples/read_results.py runs/quickstart

Prints the last training loss of every closure with its standard error over seeds, and the weak error
of f by depth, computed from results.csv with pandas and from arrays.npz with NumPy, and compared with
summary.json. The package in python/ does the reading in one call each.
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd

run = pathlib.Path(sys.argv[1])
results = pd.read_csv(run / "results.csv")
arrays = np.load(run / "arrays.npz")
summary = json.loads((run / "summary.json").read_text())

# One number a line, named by the columns before it.
last = results.step.max()
losses = results[(results.observable == "loss.train") & (results.step == last)]
print(f"training loss after {last} updates, mean and standard error over seeds:")
print(losses.groupby(["closure", "width", "depth"]).value.agg(["mean", "sem"]).to_string())

# Weak error: the root mean square over outputs of the mean over seeds of f_L - f_2L. Seeds first, then
# squares: the other way round the fluctuations of single seeds would be counted as error.
by = ["closure", "parametrization", "width", "depth", "learning_rate", "step"]
differences = results[results.observable == "difference.f"]
means = differences.groupby([*by, "sample", "output"]).value.mean()
weak = (means**2).groupby(by).mean() ** 0.5

# The same from the arrays. Their axes have names, the same in every experiment, and coordinates.
name = "difference.f"
dims = arrays[f"dims.{name}"].tolist()
assert dims == [*by[:-1], "seed", "step", "sample", "output"]
mean = arrays[name].mean(axis=dims.index("seed"))
weak_array = np.sqrt((mean**2).mean(axis=(-2, -1)))
coordinates = [arrays[axis].tolist() for axis in by]

print("\nweak error of f:")
for claim in summary["claims"]:
    if claim["observable"] != "weak.f" or claim["axis"] != "depth":
        continue
    for point in claim["curve"]:
        at = tuple({**claim, **point}[axis] for axis in by)
        by_pandas = weak[at]
        by_numpy = weak_array[tuple(values.index(x) for values, x in zip(coordinates, at))]
        print(*at, f"{by_pandas:.3e}, {by_numpy:.3e}, in summary.json {point['value']:.3e}")
        assert np.allclose([by_pandas, by_numpy], point["value"], rtol=1e-9)
