"""nfd.run and nfd.judge are `nfd run` and `nfd judge`; what the program says is raised.

python program.py EXPERIMENT, in an empty folder; NFD_BINARY names the program.
"""

import json
import os
import pathlib
import subprocess
import sys
import warnings

import nfd

experiment = json.loads(pathlib.Path(sys.argv[1]).read_text())
binary = os.environ["NFD_BINARY"]


def failure(call):
    try:
        call()
    except nfd.NfdError as error:
        return str(error), error.code
    raise AssertionError("no error")


def files(run):
    names = ("results.csv", "arrays.npz", "summary.json", "figures.json", "report.html")
    return [(run / name).read_bytes() for name in names]


# A dict, a path, and the command line leave the same bytes; a dict without out goes into runs/<name>.
run = nfd.run(experiment)
assert run == pathlib.Path("runs", experiment["name"]), run
other = nfd.run(sys.argv[1], out="other", arguments=["--threads", 1])
assert other == pathlib.Path("other")
command = [binary, "run", sys.argv[1], "--output", "typed"]
subprocess.run(command, check=True, capture_output=True)
assert files(run) == files(other) == files(pathlib.Path("typed"))
before = (run / "timings.csv").read_text()
assert nfd.run(experiment) == run and (run / "timings.csv").read_text() == before, "it resumes"

# Verdicts are those of the run's own claims.
results = nfd.results(run)
judged = 0
for claim in json.loads((run / "summary.json").read_text())["claims"]:
    if claim["axis"] != "depth" or claim["family"] != "falls" or claim["extrapolated_with"]:
        continue
    of = results[
        (results.observable == claim["observable"])
        & (results.closure == claim["closure"])
        & (results.width == claim["held"])
        & (results.step == claim["step"])
    ]
    if claim["depth_time"] is not None:
        of = of[of.depth_time == claim["depth_time"]]
    if of.empty:  # Formed from several rows, as the weak error.
        continue
    words = f"falls:{claim['expected'] or 1}"
    verdict = nfd.judge(of, words, along="depth", of=claim["simultaneous"] or 1)
    for name in ("verdict", "reason", "next", "exponent", "ci95", "seeds"):
        assert verdict[name] == claim[name], (claim["id"], name, verdict[name], claim[name])
    assert verdict["values"] == [point["value"] for point in claim["curve"]], claim["id"]
    judged += 1
assert judged >= 4, judged
one = results[(results.observable == "loss.train") & (results.step == 0) & (results.closure == "gia")]
assert nfd.judge(one, "flat", reference=128)["slice"].endswith("as differences to L = 128")

# What is wrong, in the program's words, with its exit code.
wrong = {**experiment, "trainin": 1}
message, code = failure(lambda: nfd.run(wrong))
assert code == 2 and "trainin: unknown key\n  did you mean 'training'?" in message, message
message, code = failure(lambda: nfd.run(experiment, arguments=["--threads", "none"]))
assert code == 2 and message.startswith("error: invalid value 'none'"), message
message, code = failure(lambda: nfd.judge(results))
assert code == 2 and message.startswith("standard input, line 3: seed 0 has a value"), message
message, code = failure(lambda: nfd.run("none.json"))
assert code == 2 and "none.json" in message, message

# Networks that diverge are a warning, and the rest is there.
rates = {**experiment["training"], "learning_rate": 1e12}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    run = nfd.run({**experiment, "name": "diverges", "training": rates})
said = [str(warning.message) for warning in caught]
assert any(text.startswith("diverged: ") for text in said), said
assert caught[0].filename == __file__, caught[0].filename
assert len(nfd.results(run)) > 0

os.environ["NFD_BINARY"] = "no-such-program"
message, code = failure(lambda: nfd.run(experiment))
assert message.startswith("NFD_BINARY names no-such-program, which is no program\n"), message
os.environ["NFD_BINARY"], os.environ["PATH"] = "", ""
message, code = failure(lambda: nfd.run(experiment))
assert code is None and message.startswith("no program nfd on the path\n"), message
print("called")
