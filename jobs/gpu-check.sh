#!/usr/bin/env bash
# One command for who has a GPU: does backend cuda give the right numbers there, and how fast is it?
#
#   jobs/gpu-check.sh                        # on a machine with a GPU
#   jobs/gpu-check.sh --build-only           # before that, where there is a network: on a login node
#   srun --gres=gpu:1 jobs/gpu-check.sh      # then on the node, which needs nothing but its driver
#
#   --programs DIR   where the programs are put and looked for (target/gpu-check)
#   --output FILE    the report (gpu-check-HOST-DATE.txt, here)
#   --quick          a few small cases: whether all of this works
#
# Programs that are in their folder are used as they are; --build-only builds them anew. The timings have
# cuBLAS and PyTorch beside ours where they are: NFD_CUBLAS names a libcublas that is not on the loader's
# path, NFD_PYTHON a Python that has PyTorch.
# Exit codes: 0 all is well, 1 a step failed, 2 there is no GPU that can be used, or no program.
set -uo pipefail
export LC_ALL=C

usage() { echo "usage: jobs/gpu-check.sh [--build-only] [--quick] [--programs DIR] [--output FILE]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd) || exit 2
programs=$root/target/gpu-check
report=gpu-check-$(uname -n)-$(date +%Y-%m-%d-%H%M%S).txt
build_only=false quick=false
while [ $# -gt 0 ]; do
  case "$1" in
    --build-only) build_only=true ;;
    --quick) quick=true ;;
    --programs | --output)
      [ $# -gt 1 ] || usage
      if [ "$1" = --programs ]; then programs=$2; else report=$2; fi
      shift ;;
    *) usage ;;
  esac
  shift
done
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

build() { # nfd, the suites of parity and the timings, into their folder
  local program kind name to
  (cd "$root" && cargo build --release --bin nfd --test gpu --bench gpu \
    --message-format=json-render-diagnostics) >"$scratch/built" || return 1
  mkdir -p "$programs" || return 1
  for program in bin:nfd:nfd test:gpu:parity bench:gpu:timing; do
    IFS=: read -r kind name to <<<"$program"
    cp "$(sed -n "s/.*\"kind\":\[\"$kind\"\].*\"name\":\"$name\".*\"executable\":\"\([^\"]*\)\".*/\1/p" \
      "$scratch/built")" "$programs/$to" || return 1
  done
  { git -C "$root" describe --always --dirty 2>/dev/null || echo "unknown sources"; } >"$programs/commit"
}
complete() {
  local name
  for name in nfd parity timing; do [ -x "$programs/$name" ] || return 1; done
}

if $build_only || ! complete; then
  build || { echo "gpu-check: the programs could not be built" >&2; exit 2; }
fi
if $build_only; then
  "$programs/nfd" doctor | grep '^GPU kernels'
  echo "gpu-check: the programs are in $programs"
  exit 0
fi

# In the foreground, where Ctrl-C reaches it.
limit() { timeout --foreground -k 10 "$@"; } # SECONDS COMMAND...
say() { printf '%s\n' "$@" | tee -a "$report"; }
failed=()
step() { # NAME COMMAND...: its result and the end of what it says go into the report
  local name=$1 start=$SECONDS status result
  shift
  say "" "== $name"
  "$@" >"$scratch/log" 2>&1
  status=$?
  tail -n 100 "$scratch/log" | tee -a "$report"
  case $status in
    0) result="ok" ;;
    124) result="FAILED, it took too long" ;;
    *) result="FAILED, exit code $status" ;;
  esac
  # What a test of the software device alone says for itself.
  [ $status -eq 0 ] && grep -q 'left out: .* software device' "$scratch/log" && result="left out"
  [ $status -eq 0 ] || failed+=("$name")
  say "== $name: $result, $((SECONDS - start)) s"
}

: >"$report" || exit 2
say "gpu-check of nfd, $(date), on $(uname -n) ($(uname -sr))" \
  "programs       $(cat "$programs/commit" 2>/dev/null || echo "of unknown sources")"
if $quick; then say "--quick        a few small cases, whose timings mean nothing"; fi
step doctor limit 60 "$programs/nfd" doctor
if ! grep -q '^GPU driver     for CUDA' "$scratch/log"; then
  say "" "There is no usable NVIDIA driver on this machine (see above), so nothing was checked." \
    "Run this on a machine, or in a job, that has a GPU. This report: $report"
  exit 2
fi
software=false
if grep -q '^GPU .*softcuda' "$scratch/log"; then
  software=true
  say "" "This is the software device of nfd's tests, no GPU: the timings below mean nothing."
fi

clocks() {
  if ! command -v nvidia-smi >/dev/null; then
    say "" "nvidia-smi: left out, it is not here"
    return
  fi
  step "nvidia-smi $1" limit 60 nvidia-smi
  step "clocks $1" limit 60 nvidia-smi --format=csv --query-gpu=driver_version,pstate,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,power.limit,temperature.gpu,compute_mode
}

# A process for every test: a fault of a kernel spoils all that its process does afterwards.
parity() { # TEST; the log is that of its step: no test at all is no success
  NFD_TEST_ON_GPU=1 limit 900 "$programs/parity" --exact "$1" --nocapture &&
    grep -q '1 passed' "$scratch/log"
}
tests=$("$programs/parity" --list --format terse | sed -n 's/: test$//p')
if $quick; then tests=$(grep -E '::(normals|evaluation)' <<<"$tests"); fi
for test in ${tests:-none}; do step "parity: $test" parity "$test"; done

end_to_end() { # ENGINE; the numbers of results.csv from both backends, as tests/suites/cuda_run.rs compares them
  cat >"$scratch/job.json" <<'JOB'
{
  "name": "gpu-check",
  "data": { "source": "digits", "samples": 5, "test_samples": 3 },
  "model": { "train": ["input", "hidden", "readout"] },
  "training": { "steps": 6, "learning_rate": 0.5, "batch": 2, "momentum": 0.5, "record": 3 },
  "ensemble": { "widths": [33, 64], "depths": [2, 4], "seeds": 3, "closures": ["exact", "gia"] },
  "precision": "f64"
}
JOB
  local backend
  for backend in cuda plain; do
    rm -rf "${scratch:?}/$backend"
    limit 600 "$programs/nfd" run "$scratch/job.json" --set engine="$1" --backend $backend --output "$scratch/$backend" \
      >"$scratch/said" 2>&1 || { local status=$?; cat "$scratch/said"; return $status; }
  done
  awk -F, '
    function size(x) { return x < 0 ? -x : x }
    { value = $NF; sub(/,[^,]*$/, "") }
    NR == FNR { key[FNR] = $0; want[FNR] = value; count = FNR; next }
    $0 != key[FNR] { print "line " FNR " is of something else: " $0; bad = 1; exit }
    value != want[FNR] {
      # Strong errors are of rows in f32, which round to one side or the other.
      tolerance = /strong|gap/ ? 1e-7 : 1e-10
      off = size(value - want[FNR]) / (size(want[FNR]) > 1 ? size(want[FNR]) : 1)
      if (off > worst) worst = off
      if (!(off <= tolerance)) { print $0 ": " value " instead of " want[FNR]; bad = 1 }
    }
    END {
      if (FNR != count || count < 1000) { print FNR " lines instead of " count; bad = 1 }
      print count " lines, the worst " worst " from plain"
      exit bad
    }' "$scratch/plain/results.csv" "$scratch/cuda/results.csv"
}
for engine in dense conditional; do
  step "nfd run --backend cuda against plain, $engine" end_to_end $engine
done

clocks before
options=(--bench)
if $quick; then options+=(--quick); fi
step timings limit 1800 "$programs/timing" "${options[@]}"
clocks after

if $software; then say "" "All of this was on the software device, no GPU."; fi
if [ ${#failed[@]} -gt 0 ]; then
  say "" "FAILED:" "${failed[@]/#/  }"
else
  say "" "All steps are ok."
fi
say "The report is $report. Please send it to the authors of nfd, whatever it says."
[ ${#failed[@]} -eq 0 ]
