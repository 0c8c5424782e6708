"""Reads what a run of nfd left, draws its figures, and calls the program.

A run is named by its directory, as ``runs/quickstart``. See the docstrings of ``open``, ``results``,
``limit``, ``claims``, ``curves``, ``figures``, ``plot``, ``run`` and ``judge``.
"""

from .errors import NfdError
from .figures import figures, plot
from .program import judge, run
from .reading import claims, curves, limit, open, results

__all__ = [
    "NfdError",
    "claims",
    "curves",
    "figures",
    "judge",
    "limit",
    "open",
    "plot",
    "results",
    "run",
]
__version__ = "0.2.0"
