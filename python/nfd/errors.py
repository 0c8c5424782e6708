"""The error of this package, and what raises it where a file or a package is missing."""

from __future__ import annotations

import importlib
import pathlib


class NfdError(Exception):
    """Something is wrong; the text says what, where and what to do next.

    ``code`` is the exit code of the program where that failed, else None: 1 the machine failed, 2 what
    was asked for cannot be done, 75 interrupted (the same call resumes).
    """

    def __init__(self, message: str, code: int | None = None):
        super().__init__(message)
        self.code = code


def package(name: str, wanted_by: str):
    """The package of this name, which only some of the calls need."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        top = name.split(".")[0]
        raise NfdError(f"{wanted_by} needs {error.name}\n  pip install {top}") from error


def file_of(run, name: str) -> pathlib.Path:
    """The file of this name in a run directory."""
    directory = pathlib.Path(run)
    path = directory / name
    if path.is_file():
        return path
    if not (directory / "manifest.json").is_file():
        raise NfdError(f"{directory}: is no run directory\n  name a directory that `nfd run` made")
    has = {
        "limit.csv": "the experiment has no section `limit`, or its limit is not finished",
        "limit.npz": "the experiment has no section `limit`, or its limit is not finished",
        "order_parameters.npz": f"`nfd report {directory} --order-parameters` writes it",
    }
    default = f"study `limit` has none; else `nfd report {directory}` writes it from what is finished"
    raise NfdError(f"{directory}: has no {name}\n  {has.get(name, default)}")
