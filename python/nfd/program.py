"""Calls of the program nfd: run an experiment, judge a curve."""

from __future__ import annotations

import io
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings

from .errors import NfdError

#: Exit code of a run of which some networks diverged; everything else is reported.
_SOME_DIVERGED = 3


def run(experiment, out=None, arguments=()) -> pathlib.Path:
    """Runs an experiment by the program nfd, or resumes it, and returns its run directory.

    ``experiment`` is a dict with the fields of docs/experiment.md, or the path of an experiment file;
    ``out`` the run directory, by default ``runs/<name>``; ``arguments`` more of the command line, as
    ``["--threads", "2"]``. The program is ``nfd`` on the path, or what the environment variable
    NFD_BINARY names. Raises NfdError with the program's message where it fails; what the program warns
    of, diverged networks too, is a Python warning.
    """
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(experiment, dict):
            file = pathlib.Path(folder, "experiment.json")
            file.write_text(json.dumps(experiment), encoding="utf-8")
        else:
            file = pathlib.Path(experiment)
        output = [] if out is None else ["--output", str(out)]
        said = _call(["run", str(file), *output, *map(str, arguments)])
    before = "results in "
    (directory,) = (line[len(before) :] for line in said if line.startswith(before))
    return pathlib.Path(directory)


def judge(frame, claim: str = "falls:1", along=None, reference=None, of: int = 1) -> dict:
    """The verdict on a curve, by the rules and intervals of the studies (``nfd judge``).

    ``frame`` is a pandas frame with columns seed, value, and depth or width or both, one row a seed and
    size. ``claim`` is ``"falls:P"``, ``"grows:P"``, ``"plateau"`` or ``"flat"``, with ``"+floor"`` where
    values have a term in 1/width; ``along`` is ``"depth"`` or ``"width"``; ``reference`` the size of the
    network to which the values are differences; ``of`` the number of claims whose intervals are to hold
    together. Returns what ``nfd judge --json`` prints: verdict, exponent, ci95, reason and more.
    """
    columns = [name for name in ("seed", "width", "depth", "value") if name in frame.columns]
    command = ["judge", "-", "--json", "--claim", claim, "--of", str(of)]
    if along is not None:
        command += ["--along", along]
    if reference is not None:
        command += ["--reference", str(reference)]
    table = io.StringIO()
    frame[columns].to_csv(table, index=False)
    printed = []
    _call(command, table.getvalue(), printed)
    return json.loads(printed[0])


def _binary() -> str:
    named = os.environ.get("NFD_BINARY")
    found = shutil.which(named or "nfd")
    if found is None:
        what = f"NFD_BINARY names {named}, which is no program" if named else "no program nfd on the path"
        raise NfdError(f"{what}\n  build it by `cargo build --release`, and let NFD_BINARY name it")
    return found


def _call(arguments, text: str = "", printed=None) -> list:
    """Runs the program with ``text`` on its standard input, appends what it prints to ``printed``, and
    returns the sentences that it says beside."""
    environment = {name: value for name, value in os.environ.items() if name != "NFD_LOG"}
    command = [_binary(), "--log-format", "json", *arguments]
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, encoding="utf-8", env=environment
        )
    except OSError as error:
        raise NfdError(f"cannot start {command[0]}: {error}") from error
    said, wrong = [], []
    for line in done.stderr.splitlines():
        try:
            event = json.loads(line)
            level, message = event["level"], event["message"]
        except (ValueError, TypeError, KeyError):
            continue  # Not a line of the log: usage errors come before it begins.
        said.append(message)
        if level == "ERROR":
            wrong.append(message)
        elif level == "WARN" or message.startswith("diverged: "):
            warnings.warn(message, stacklevel=3)
    if done.returncode not in (0, _SOME_DIVERGED):
        message = "\n".join(wrong) or done.stderr.strip() or f"nfd ended with {done.returncode}"
        raise NfdError(message, done.returncode)
    if printed is not None:
        printed.append(done.stdout)
    return said
