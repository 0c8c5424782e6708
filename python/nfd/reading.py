"""What a run left: arrays with named axes, frames of numbers, frames of claims."""

from __future__ import annotations

import json

import numpy

from .errors import NfdError, file_of, package

#: Arrays that say where a number is, and are no measurement.
_COORDINATES = {
    "closure",
    "parametrization",
    "width",
    "depth",
    "learning_rate",
    "seed",
    "step",
    "depth_time",
    "sample",
    "output",
    "level",
}

#: Files of arrays, by the word for them.
_ARRAYS = ("arrays", "limit", "order_parameters")


def open(run, what: str = "arrays"):
    """The arrays of a run as an xarray Dataset, every axis by its name.

    ``what`` is ``"arrays"`` (every observable over closure, parametrization, width, depth,
    learning_rate, seed and step, then depth_time, or sample and output, where it lives there; NaN where
    nothing was measured; ``labels`` over sample and output), ``"limit"`` (the limit n = L = ∞, with
    ``<name>_error`` and ``<name>_bias``) or ``"order_parameters"``. Samples are named by their index in
    the data set. ``open(run)["loss.train"].mean("seed")`` is a mean over seeds.
    """
    xarray = package("xarray", "nfd.open")
    if what not in _ARRAYS:
        raise NfdError(f"{what!r} is none of the files of arrays\n  choose one of {', '.join(_ARRAYS)}")
    variables, coordinates = {}, {}
    with numpy.load(file_of(run, f"{what}.npz"), allow_pickle=False) as arrays:
        for name in arrays.files:
            if name.startswith("dims."):
                continue
            named = f"dims.{name}" in arrays.files
            dims = arrays[f"dims.{name}"].tolist() if named else [name]
            array = arrays[name]
            if name in _COORDINATES:
                coordinates[name] = (dims, array)
            elif array.size > 0:  # Covariances that were not recorded are empty along all axes.
                variables[name] = (dims, array)
    experiment = _json(run, "manifest.json")["experiment"]
    attributes = {"experiment": experiment["name"], "study": experiment["study"]}
    return xarray.Dataset(variables, coordinates, attributes)


def results(run):
    """results.csv as a pandas frame: one number a row, with all that says which it is.

    Columns: closure, parametrization, engine, precision, width, depth, learning_rate, seed, step,
    depth_time (NaN where there is none), sample and output (missing where there are none), reference
    (empty where there is none), observable, value. Numbers are read as they were written, bit by bit.
    ``nfd report RUN --parquet`` writes the same as results.parquet, which pandas.read_parquet reads.
    """
    return _frame(run, "results.csv")


def limit(run):
    """limit.csv as a pandas frame: the limit n = L = ∞ (depth inf), and every depth at infinite width."""
    return _frame(run, "limit.csv")


def claims(run):
    """The claims of summary.json as a pandas frame, one a row, by id.

    Columns have the names that they have in summary.json; an interval ``ci95`` is two columns,
    ``ci95_low`` and ``ci95_high``. The curves of the claims are in ``nfd.curves``.
    """
    pandas = package("pandas", "nfd.claims")
    rows = []
    for claim in _json(run, "summary.json")["claims"]:
        row = {}
        for name, value in claim.items():
            if name.endswith("ci95"):
                row[f"{name}_low"], row[f"{name}_high"] = value or (None, None)
            elif not isinstance(value, list):
                row[name] = value
        rows.append(row)
    return pandas.DataFrame(rows, columns=None if rows else ["id"]).set_index("id")


def curves(run):
    """The points of all claims' curves as a pandas frame, by the id of the claim.

    Columns: x (the size that varies), width, depth, value (of the ensemble), standard_error.
    """
    pandas = package("pandas", "nfd.curves")
    all_claims = _json(run, "summary.json")["claims"]
    rows = [{"id": claim["id"], **point} for claim in all_claims for point in claim["curve"]]
    return pandas.DataFrame(rows, columns=None if rows else ["id"]).set_index("id")


def _json(run, name: str):
    return json.loads(file_of(run, name).read_text(encoding="utf-8"))


def _frame(run, name: str):
    pandas = package("pandas", f"nfd.{name.split('.')[0]}")
    # Before 3.1 pandas' own parser of numbers is often wrong in the last bit; since then the
    # exact one is the default, and to ask for it is deprecated.
    version = tuple(int(part) for part in pandas.__version__.split(".")[:2])
    exact = {} if version >= (3, 1) else {"float_precision": "round_trip"}
    words = {"closure", "parametrization", "engine", "precision", "reference", "observable", "quantity"}
    with file_of(run, name).open(encoding="utf-8") as file:
        columns = file.readline().rstrip("\n").split(",")
        file.seek(0)
        return pandas.read_csv(
            file,
            **exact,
            keep_default_na=False,
            na_values={column: [""] for column in columns if column not in words},
            dtype={"sample": "Int64", "output": "Int64"},
        )
