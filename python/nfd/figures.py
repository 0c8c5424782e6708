"""The figures of a run's page, drawn by matplotlib from the same numbers."""

from __future__ import annotations

import json
import re

import numpy

from .errors import NfdError, file_of, package

_NUMBERS = "figures.json"


def figures(run):
    """Which figures a run has, as a pandas frame by name: title, note, x and y."""
    pandas = package("pandas", "nfd.figures")
    rows = [
        {"name": f["name"], "title": f["title"], "note": f["note"], "x": f["x"]["label"], "y": f["y"]["label"]}
        for f in _all(run)
    ]
    return pandas.DataFrame(rows, columns=["name", "title", "note", "x", "y"]).set_index("name")


def plot(run, name: str, ax=None):
    """Draws the figure ``name`` of a run and returns its matplotlib Axes.

    The points, errors, fits, bands and levels are those of the page (figures.json). Without ``ax`` it is
    drawn into a figure of its own; save it by ``plot(...).figure.savefig("figure.pdf")``.
    """
    pyplot = package("matplotlib.pyplot", "nfd.plot")
    known = _all(run)
    figure = next((figure for figure in known if figure["name"] == name), None)
    if figure is None:
        names = ", ".join(figure["name"] for figure in known) or "none at all"
        raise NfdError(f"{run}: has no figure {name!r}\n  it has {names}")
    if ax is None:
        _, ax = pyplot.subplots(layout="constrained")
    ax.set(xlabel=_math(figure["x"]["label"]), ylabel=_math(figure["y"]["label"]))
    ax.set(xscale=_scale(figure["x"]), yscale=_scale(figure["y"]))
    colours = _colours([series["look"] for series in figure["series"]], pyplot.get_cmap("viridis"))
    for series, colour in zip(figure["series"], colours):
        _draw(ax, series, figure["legend"], colour)
    for guide in figure["guides"]:
        x, y = _columns(guide["curve"], 2)
        ax.plot(x, y, color="grey", linestyle="--", linewidth=1, label=_math(guide["label"]))
    if figure["x"]["scale"] == "sizes":
        sizes = sorted({point["x"] for series in figure["series"] for point in series["points"]})
        ax.set_xticks(sizes, labels=[f"{size:g}" for size in sizes])
        ax.set_xticks([], minor=True)
    elif figure["x"]["scale"] == "count":
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title(f"{_math(figure['title'])}\n{_math(figure['note'])}", fontsize="medium")
    if len(figure["series"]) + len(figure["guides"]) > 1:
        ax.legend(fontsize="small")
    return ax


def _colours(looks, map_of_ranks):
    """A colour for each series: kinds, as closures, are told apart, and ranks, as depths, go along a map."""
    last = max((look["rank"] for look in looks if "rank" in look), default=0) or 1
    return [
        f"C{look['kind']}" if "kind" in look else map_of_ranks(0.9 * look["rank"] / last)
        for look in looks
    ]


def _draw(ax, series, legend: str, colour):
    """One series: points with errors, joined or beside a fitted curve with its band, and a level."""
    points = series["points"]
    x, y, error = (
        numpy.array([point[key] for point in points], dtype=float) for key in ("x", "y", "error")
    )
    ax.errorbar(
        x,
        y,
        yerr=error if numpy.isfinite(error).any() else None,
        color=colour,
        marker="o",
        markersize=4,
        linestyle="-" if series["joined"] else "none",
        label=_math(f"{legend} {series['label']}".strip()),
    )
    if series["curve"]:
        ax.plot(*_columns(series["curve"], 2), color=colour, linewidth=1)
    if series["band"]:
        ax.fill_between(*_columns(series["band"], 3), color=colour, alpha=0.2, linewidth=0)
    if series["level"] is not None:
        ax.axhline(series["level"], color=colour, linestyle=":", linewidth=1)


def _scale(axis) -> str:
    return "log" if axis["scale"] in ("log", "sizes") else "linear"


def _all(run):
    return json.loads(file_of(run, _NUMBERS).read_text(encoding="utf-8"))


def _columns(rows, width: int):
    """The columns of a list of rows; None, which stands for no number, becomes NaN."""
    return numpy.array(rows, dtype=float).reshape(-1, width).T


def _math(text: str) -> str:
    """Text in which ``x_l``, ``x_{ab}`` and ``x^{ab}`` lower and raise, for matplotlib."""
    return re.sub(r"([_^])(?:\{([^}]*)\}|(\w))", lambda at: f"${at[1]}{{{at[2] or at[3]}}}$", text)
