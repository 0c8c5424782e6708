"""nfd.plot draws the points of figures.json, and these are the means of results.csv and the claims.

python figures.py RUN
"""

import csv
import json
import math
import pathlib
import statistics
import sys

import nfd
import numpy
from matplotlib.collections import PolyCollection

run = pathlib.Path(sys.argv[1])
written = json.loads((run / "figures.json").read_text())
listed = nfd.figures(run)
assert list(listed.index) == [figure["name"] for figure in written]
assert {path.stem for path in (run / "plots").iterdir()} == set(listed.index) and len(listed) > 10


def columns(rows, width):
    return numpy.array(rows, dtype=float).reshape(-1, width).T


# There is something of every kind to draw.
for kind in ("curve", "band", "level"):
    assert any(series[kind] for figure in written for series in figure["series"]), kind
assert any(figure["guides"] for figure in written)

# Every figure: each series' points and errors, fits and bands, guides, and scales.
for figure in written:
    ax = nfd.plot(run, figure["name"])
    drawn = [container.lines for container in ax.containers]
    assert len(drawn) == len(figure["series"]), figure["name"]
    for (points, _, bars), series in zip(drawn, figure["series"]):
        x, y, error = columns([[p["x"], p["y"], p["error"]] for p in series["points"]], 3)
        assert numpy.array_equal(points.get_xdata(), x) and numpy.array_equal(points.get_ydata(), y)
        there = numpy.isfinite(error)
        assert bool(bars) == there.any()
        for bar in bars:
            ends = numpy.array(bar.get_segments())[:, :, 1]
            finite = numpy.isfinite(ends).all(axis=1)
            assert numpy.array_equal(finite, there)
            numpy.testing.assert_array_equal(ends[finite, 0], (y - error)[there])
            numpy.testing.assert_array_equal(ends[finite, 1], (y + error)[there])
    lines = {(tuple(line.get_xdata()), tuple(line.get_ydata())) for line in ax.get_lines()}
    fits = [series["curve"] for series in figure["series"] if series["curve"]]
    for curve in fits + [guide["curve"] for guide in figure["guides"]]:
        assert tuple(map(tuple, columns(curve, 2))) in lines, figure["name"]
    levels = [line.get_ydata()[0] for line in ax.get_lines() if line.get_linestyle() == ":"]
    assert levels == [s["level"] for s in figure["series"] if s["level"] is not None]
    bands = [series["band"] for series in figure["series"] if series["band"]]
    fills = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert len(fills) == len(bands), figure["name"]
    logs = [of["scale"] in ("log", "sizes") for of in (figure["x"], figure["y"])]
    assert [ax.get_xscale() == "log", ax.get_yscale() == "log"] == logs
    ax.figure.canvas.draw()
    ax.figure.clear()

# The training loss by closure: means and standard errors over seeds, at the greatest sizes.
with (run / "results.csv").open() as file:
    lines = [line for line in csv.DictReader(file) if line["observable"] == "loss.train"]
width, depth = (max(int(line[name]) for line in lines) for name in ("width", "depth"))
figure = next(figure for figure in written if figure["name"] == "loss-by-closure")
assert [series["label"] for series in figure["series"]] == ["exact", "gia"]
for series in figure["series"]:
    assert [point["x"] for point in series["points"]] == [0, 1, 2]
    for point in series["points"]:
        of = [series["label"], str(width), str(depth), str(int(point["x"]))]
        values = [
            float(line["value"])
            for line in lines
            if [line[name] for name in ("closure", "width", "depth", "step")] == of
        ]
        error = statistics.stdev(values) / math.sqrt(len(values))
        assert len(values) == 8 and math.isclose(point["y"], statistics.mean(values), rel_tol=1e-13)
        assert math.isclose(point["error"], error, rel_tol=1e-12), (point, error)

# The figures of claims: the curves of summary.json, at the greatest width, after the last update.
claims = {claim["id"]: claim for claim in json.loads((run / "summary.json").read_text())["claims"]}
for name, observable in [("weak-f-depth", "weak.f"), ("strong-h-depth", "strong.h")]:
    figure = next(figure for figure in written if figure["name"] == name)
    for closure, series in zip(("exact", "gia"), figure["series"]):
        curve = claims[f"{observable}/{closure}/n=64/k=2"]["curve"]
        assert series["label"] == closure and len(curve) == 5
        assert [[p["x"], p["y"], p["error"]] for p in series["points"]] == [
            [p["x"], p["value"], p["standard_error"]] for p in curve
        ]

try:
    nfd.plot(run, "weak")
except nfd.NfdError as error:
    assert "has no figure 'weak'\n  it has " in str(error) and "weak-f-depth" in str(error), error
else:
    raise AssertionError("a figure that is not there")
print("drawn")
