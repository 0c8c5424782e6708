"""nfd's frames and Dataset against the files of a run, read by the standard library alone.

python reading.py RUN LIMIT: RUN has all files but those of the limit, also those that are written on
request; LIMIT is a run of study limit.
"""

import csv
import json
import math
import pathlib
import sys

import nfd
import numpy
import pandas
import pyarrow.parquet

run, limit = map(pathlib.Path, sys.argv[1:3])
COMMON = ["closure", "parametrization", "width", "depth", "learning_rate", "seed", "step"]
WORDS = {"closure", "parametrization", "engine", "precision", "reference", "observable", "quantity"}


def the_frame_is_the_file(frame, path):
    """Every cell, numbers bit by bit."""
    with path.open() as file:
        lines = list(csv.DictReader(file))
    assert len(frame) == len(lines) > 10
    assert list(frame.columns) == list(lines[0])
    for column in frame.columns:
        for value, line in zip(frame[column].tolist(), lines):
            text = line[column]
            if column in WORDS:
                assert value == text, (column, value, text)
            elif text == "":
                assert pandas.isna(value), (column, value)
            else:
                assert value == float(text), (column, value, text)
    return lines


def same(value, there):
    """Equal, where nothing is None in one and NaN in the other."""
    return pandas.isna(value) if there is None else value == there


lines = the_frame_is_the_file(nfd.results(run), run / "results.csv")
results = nfd.results(run)
assert results["sample"].dtype == results.output.dtype == "Int64"
assert sorted(results.output.dropna().unique()) == [0, 1, 2]

# results.parquet has the same, with its types.
table = pyarrow.parquet.read_table(run / "results.parquet")
assert table.column_names == list(results.columns)
for column in table.column_names:
    wanted = [None if pandas.isna(value) else value for value in results[column].tolist()]
    assert table[column].to_pylist() == wanted, column
types = {str(table[column].type) for column in ("width", "seed", "sample", "output")}
assert types == {"int64"} and str(table["depth_time"].type) == "double"
assert str(table["closure"].type) == "string"

# Every row of results.csv is where its columns say, and nothing else is there.
arrays = nfd.open(run)
assert arrays.attrs == {"experiment": "python", "study": "training-convergence"}
names = {line["observable"] for line in lines}
assert set(arrays.data_vars) == names | {"labels"}
places = {axis: {x: i for i, x in enumerate(arrays[axis].values.tolist())} for axis in arrays.dims}
found = {name: 0 for name in names}
values = {name: arrays[name].values for name in names}
for line in lines:
    name = line["observable"]
    last = [axis for axis in ("depth_time", "sample", "output") if line[axis]]
    dims = [*COMMON, *last]
    assert list(arrays[name].dims) == dims, (name, arrays[name].dims)
    at = tuple(places[axis][line[axis] if axis in WORDS else float(line[axis])] for axis in dims)
    assert values[name][at] == float(line["value"]), line
    found[name] += 1
for name in names:
    assert numpy.isfinite(values[name]).sum() == found[name], name
assert arrays.labels.dims == ("sample", "output")
assert numpy.array_equal(arrays.labels.values.sum(axis=1), numpy.ones(arrays.sizes["sample"]))
loss = arrays["loss.train"].sel(closure="gia", width=64, depth=8, step=2).mean("seed").item()
of = ["loss.train", "gia", "64", "8", "2"]
by_hand = [
    float(line["value"])
    for line in lines
    if [line[c] for c in ("observable", "closure", "width", "depth", "step")] == of
]
assert len(by_hand) == 8 and math.isclose(loss, sum(by_hand) / 8, rel_tol=1e-14)

# Claims and curves, entry by entry.
summary = json.loads((run / "summary.json").read_text())["claims"]
claims, curves = nfd.claims(run), nfd.curves(run)
assert list(claims.index) == [claim["id"] for claim in summary] and len(summary) > 20
for claim in summary:
    row = claims.loc[claim["id"]]
    for name, there in claim.items():
        if name == "id":
            continue
        if name.endswith("ci95"):
            ends = there or [None, None]
            assert same(row[f"{name}_low"], ends[0]) and same(row[f"{name}_high"], ends[1]), name
        elif not isinstance(there, list):
            assert same(row[name], there), (claim["id"], name, row[name], there)
    points = curves.loc[[claim["id"]]]
    for name in points.columns:
        for got, point in zip(points[name], claim["curve"], strict=True):
            assert same(got, point[name]), (claim["id"], name, got, point)
intervals = [claim["ci95"] for claim in summary]
assert None in intervals and any(ends and ends[0] < ends[1] for ends in intervals)
assert len(curves) == sum(len(claim["curve"]) for claim in summary)

# Order parameters: of kinds.
kinds = nfd.open(run, "order_parameters")
assert kinds.kernel.dims == ("kind", "step", "sample", "other_sample")
assert kinds.C_phi.dims == ("kind", "depth_time", "pass", "other_pass", "sample", "other_sample")
assert kinds.closure.dims == ("kind",) and set(kinds.closure.values) == {"exact", "gia"}

# The limit: its CSV beside its arrays.
lines = the_frame_is_the_file(nfd.limit(limit), limit / "limit.csv")
arrays = nfd.open(limit, "limit")
assert arrays.f.dims == ("closure", "step", "sample", "output")
checked = 0
for line in lines:
    if line["depth"] == "inf" and line["quantity"] == "f":
        at = {name: int(line[name]) for name in ("step", "sample", "output")}
        for name, column in [("f", "value"), ("f_error", "standard_error"), ("f_bias", "bias_bound")]:
            assert arrays[name].sel(closure=line["closure"], **at).item() == float(line[column]), line
        checked += 1
assert checked == arrays.f.size > 0

# What is wrong is said.
for call, words in [
    (lambda: nfd.open(limit), "has no arrays.npz"),
    (lambda: nfd.open(run, "limit"), "has no section `limit`"),
    (lambda: nfd.open(run, "results"), "is none of the files of arrays"),
    (lambda: nfd.results(run / "plots"), "is no run directory"),
]:
    try:
        call()
    except nfd.NfdError as error:
        assert words in str(error) and error.code is None, error
    else:
        raise AssertionError(words)
print("read")
