#!/usr/bin/env bash
# One command for who has a GPU: does backend cuda give the right numbers there, and how fast is it?
#
#   jobs/gpu-check.sh                        # on a machine with a GPU
#   jobs/gpu-check.sh --build-only           # before that, where there is a network: on a login node
#   srun --gres=gpu:1 jobs/gpu-check.sh      # then on the node, which needs nothing but its driver
#
#   jobs/gpu-check.sh --pack nfd-gpu-check.tar.gz              # all of it in one file, for a node that
#   tar xf nfd-gpu-check.tar.gz && nfd-gpu-check/gpu-check.sh  # has neither sources nor Rust nor network
#
#   --only PARTS     some of parity, run, counters and timings: --only parity,run
#   --limit SECONDS  the longest that a step may take (600)
#   --total SECONDS  what has not begun by then is left out, what runs then is cut short
#   --programs DIR   where the programs are put and looked for (target/gpu-check, or beside this script)
#   --output FILE    the report (gpu-check-HOST-DATE.txt, here)
#   --quick          a few small cases: whether all of this works
#
# Programs that are in their folder are used as they are; --build-only builds them anew, and so does --pack
# where no folder is named. A pack has kernels for an H100 or H200 alone; NFD_CUDA_TARGETS=80,90 is for others.
# The timings have cuBLAS and PyTorch beside ours where they are: NFD_CUBLAS names a libcublas that is not
# found by itself, NFD_PYTHON a Python that has PyTorch. Counters are those of ncu and compute-sanitizer, on
# the path or in CUDA_HOME. The report is there, as far as it goes, also if this is killed. On the node it
# needs bash, coreutils, grep, sed, and tar and gzip to unpack.
# Exit codes: 0 nothing failed, 1 a step failed, 2 there is no GPU that can be used, no program, or bad usage.
set -uo pipefail
export LC_ALL=C

usage() {
  [ $# -eq 0 ] || echo "gpu-check: $1" >&2
  echo "usage: gpu-check.sh [--build-only | --pack FILE] [--only parity,run,counters,timings] [--quick]" >&2
  echo "                    [--limit SECONDS] [--total SECONDS] [--programs DIR] [--output FILE]" >&2
  exit 2
}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 2
script=$here/$(basename "${BASH_SOURCE[0]}")
root=$(dirname "$here")
programs=$root/target/gpu-check
if [ -x "$here/programs/nfd" ]; then programs=$here/programs; fi # unpacked
named=false
report=gpu-check-$(uname -n)-$(date +%Y-%m-%d-%H%M%S).txt
build_only=false quick=false pack='' parts='' limit=600 total=''
while [ $# -gt 0 ]; do
  case "$1" in
    --build-only) build_only=true ;;
    --quick) quick=true ;;
    --pack | --only | --limit | --total | --programs | --output)
      [ $# -gt 1 ] || usage "$1 needs a value"
      case "$1" in
        --pack) pack=$2 ;;
        --programs) programs=$2 named=true ;;
        --output) report=$2 ;;
        --only)
          for part in ${2//,/ }; do
            case "$part" in
              parity | run | counters | timings) parts+=" $part" ;;
              *) usage "--only $part: there is no such part" ;;
            esac
          done ;;
        *)
          [[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || usage "$1 $2: not a number of seconds"
          if [ "$1" = --limit ]; then limit=$2; else total=$2; fi ;;
      esac
      shift ;;
    *) usage "$1: not understood" ;;
  esac
  shift
done
if [ -z "$parts" ]; then parts="parity run counters timings"; fi
wanted() { [[ " $parts " == *" $1 "* ]]; }
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

build() { # FOLDER: nfd, the suites of parity and the timings, into it
  local program kind name to
  if [ ! -f "$root/Cargo.toml" ]; then
    echo "gpu-check: here are neither programs nor sources" >&2
    return 1
  fi
  (cd "$root" && cargo build --release --bin nfd --test gpu --bench gpu \
    --message-format=json-render-diagnostics) >"$scratch/built" || return 1
  mkdir -p "$1" || return 1
  for program in bin:nfd:nfd test:gpu:parity bench:gpu:timing; do
    IFS=: read -r kind name to <<<"$program"
    cp "$(sed -n "s/.*\"kind\":\[\"$kind\"\].*\"name\":\"$name\".*\"executable\":\"\([^\"]*\)\".*/\1/p" \
      "$scratch/built")" "$1/$to" || return 1
  done
  { git -C "$root" describe --always --dirty 2>/dev/null || echo "unknown sources"; } >"$1/commit"
}
complete() {
  local name
  for name in nfd parity timing; do [ -x "$programs/$name" ] || return 1; done
}
die() { echo "gpu-check: $1" >&2; exit 2; }

make_pack() { # FILE
  local folder=$scratch/nfd-gpu-check name
  mkdir "$folder" || return 1
  if ! $named; then
    export NFD_CUDA_TARGETS=${NFD_CUDA_TARGETS:-90}
    programs=$scratch/programs
    build "$programs" || return 1
  fi
  complete || { echo "gpu-check: not all programs are in $programs" >&2; return 1; }
  "$programs/nfd" doctor | grep '^GPU kernels    by' || {
    echo "gpu-check: nfd was built without a CUDA compiler, so it has no kernels to carry (docs/gpu.md)" >&2
    return 1
  }
  mkdir "$folder/programs" && cp "$script" "$folder/gpu-check.sh" || return 1
  for name in nfd parity timing; do
    # As it is, where there is no strip.
    strip -o "$folder/programs/$name" "$programs/$name" 2>/dev/null ||
      cp "$programs/$name" "$folder/programs/$name" || return 1
  done
  cat "$programs/commit" >"$folder/programs/commit" 2>/dev/null
  tar -C "$scratch" -cf - nfd-gpu-check | gzip -9 >"$scratch/pack" && cp "$scratch/pack" "$1"
}
if [ -n "$pack" ]; then
  make_pack "$pack" || die "$pack was not written"
  echo "gpu-check: $pack, $(($(stat -c %s "$pack") / 1048576 + 1)) MiB; on the node:"
  echo "  tar xf $(basename "$pack") && nfd-gpu-check/gpu-check.sh"
  exit 0
fi
if $build_only || ! complete; then
  build "$programs" || die "the programs could not be built"
fi
if $build_only; then
  "$programs/nfd" doctor | grep '^GPU kernels'
  echo "gpu-check: the programs are in $programs"
  exit 0
fi
programs=$(cd "$programs" && pwd) || exit 2

# The report: a summary, and below it what the steps said.
now() { date '+%Y-%m-%d %H:%M:%S %Z'; }
began=$(now)
failed=() left_out=() passed=() found=()
entry() { printf '%-15s%s\n' "$1" "$2"; }
summary() { # RESULT
  local line
  echo "gpu-check of nfd: $1"
  entry dates "$began to $(now), $SECONDS s"
  entry machine "$(uname -n), $(uname -sr)"
  entry programs "$(cat "$programs/commit" 2>/dev/null || echo "of unknown sources")"
  entry asked "${parts# }$($quick && echo ", --quick"), $limit s a step${total:+, $total s in all}"
  for line in "${found[@]}"; do echo "$line"; done
  for line in "${failed[@]}"; do entry FAILED "$line"; done
  for line in "${left_out[@]}"; do entry "left out" "$line"; done
  for line in "${passed[@]}"; do entry passed "$line"; done
}
conclude() { # RESULT
  { summary "$1"; echo; cat "$scratch/details"; } >"$report" || die "$report cannot be written"
}
say() { printf '%s\n' "$@" | tee -a "$scratch/details"; }
note() { # NAME RESULT: of a step
  case $2 in
    ok*) passed+=("$1${2#ok}") ;;
    "left out"*) left_out+=("$1${2#left out}") ;;
    *) failed+=("$1${2#FAILED}") ;;
  esac
  say "== $1: $2"
}

# In the foreground, where Ctrl-C reaches it; `room` is that of the step.
limited() { timeout --foreground -k 10 "$room" "$@"; }
cap='' room=0
step() { # NAME COMMAND...: its result and the end of what it says; no longer than `cap`, where it is set
  local name=$1 start=$SECONDS status result cut=false
  shift
  room=$limit
  if [ -n "$cap" ] && [ "$cap" -lt "$room" ]; then room=$cap; fi
  say ""
  if [ -n "$total" ] && [ $((total - SECONDS)) -le "$room" ]; then
    room=$((total - SECONDS)) cut=true
    if [ "$room" -lt 1 ]; then
      note "$name" "left out, the total of $total s was over"
      return
    fi
  fi
  conclude "UNFINISHED, it was killed in: $name"
  say "== $name"
  "$@" >"$scratch/log" 2>&1
  status=$?
  tail -n 100 "$scratch/log" | tee -a "$scratch/details"
  case $status in
    0) result="ok, $((SECONDS - start)) s" ;;
    124 | 137)
      result="FAILED, it took more than $room s"
      if $cut; then result="left out, cut short after $room s by the total of $total s"; fi ;;
    *) result="FAILED, exit code $status, $((SECONDS - start)) s" ;;
  esac
  if [ $status -eq 0 ] && grep -q 'left out: .* software device' "$scratch/log"; then
    result="left out, it needs settings of the software device" # as the test says for itself
  elif grep -q ERR_NVGPUCTRPERM "$scratch/log"; then
    result="left out, this user may not read the counters of the GPU"
  fi
  note "$name" "$result"
}

: >"$scratch/details" || exit 2
cap=60 step doctor limited "$programs/nfd" doctor
mapfile -t found <<<"$(grep '^GPU ' "$scratch/log")"
if ! grep -q '^GPU driver     for CUDA' "$scratch/log"; then
  say "" "There is no usable NVIDIA driver on this machine (see above), so nothing was checked." \
    "Run this on a machine, or in a job, that has a GPU. This report: $report"
  conclude "nothing was checked, there is no usable NVIDIA driver"
  exit 2
fi
if grep -q '^GPU .*softcuda' "$scratch/log"; then
  found+=("$(entry "" "the software device of nfd's tests, no GPU: the timings below mean nothing")")
fi
if $quick; then found+=("$(entry "" "--quick: a few small cases, whose timings mean nothing")"); fi

# A process for every test: a fault of a kernel spoils all that its process does afterwards.
parity() { # TEST; the log is that of its step: no test at all is no success
  NFD_TEST_ON_GPU=1 NFD_PROGRAM=$programs/nfd limited "$programs/parity" --exact "$1" --nocapture &&
    grep -q '1 passed' "$scratch/log"
}
tests=$("$programs/parity" --list --format terse | sed -n 's/: test$//p')
runs=$(grep '^end_to_end::' <<<"$tests")
tests=$(grep -v '^end_to_end::' <<<"$tests")
if $quick; then tests=$(grep -E '::(normals|evaluation)' <<<"$tests"); fi
if wanted parity; then
  for test in ${tests:-none}; do step "parity: $test" parity "$test"; done
fi
if wanted run; then
  for test in ${runs:-none}; do step "run: $test" parity "$test"; done
fi

tool() { # NAME: where it is
  local place
  for place in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
    if [ -x "$place/bin/$1" ]; then echo "$place/bin/$1"; return; fi
  done
  command -v "$1"
}
# One layer of (n, P, members) = (256, 32, 8) on the way down.
shared_wavefronts() {
  local metric=l1tex__data_pipe_lsu_wavefronts_mem_shared
  limited "$ncu" --clock-control none --kernel-name regex:transpose_f32_8 --launch-count 1 \
    --metrics ${metric}_op_ld.sum,${metric}_op_st.sum,$metric.sum,gpu__time_duration.sum \
    "$programs/timing" --bench --case 256,16,32,8 || return
  echo "by counting on the software device: 860160 op_ld and 172032 op_st"
  grep -q "$metric.*[0-9]" "$scratch/log"
}
memcheck() { # COMMAND...
  NFD_TEST_ON_GPU=1 limited "$sanitizer" --tool memcheck --error-exitcode 1 "$@"
}
if wanted counters; then
  cap=180
  if ncu=$(tool ncu); then
    step "ncu: shared wavefronts of transpose" shared_wavefronts
  else
    say ""; note "ncu" "left out, it is neither in CUDA_HOME nor on the path"
  fi
  if sanitizer=$(tool compute-sanitizer); then
    step "memcheck: dense" memcheck "$programs/timing" --bench --case 40,2,3,2
    test=$(grep '^conditional::evaluation' <<<"$tests")
    step "memcheck: ${test:-none}" memcheck "$programs/parity" --exact "$test" --nocapture
  else
    say ""; note "compute-sanitizer" "left out, it is neither in CUDA_HOME nor on the path"
  fi
  cap=''
fi

clocks() {
  if ! command -v nvidia-smi >/dev/null; then
    say ""; note "nvidia-smi $1" "left out, it is not here"
    return
  fi
  cap=60 step "nvidia-smi $1" limited nvidia-smi
  cap=60 step "clocks $1" limited nvidia-smi --format=csv --query-gpu=driver_version,pstate,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,power.limit,temperature.gpu,compute_mode
}
timings() { # They end by themselves, with what they have, before they are cut short.
  local options=(--bench --limit $((room * 4 / 5 + 1)))
  if $quick; then options+=(--quick); fi
  limited "$programs/timing" "${options[@]}"
}
# Last: they make do with what is left of the total.
if wanted timings; then
  clocks before
  step timings timings
  clocks after
fi

if [ ${#failed[@]} -gt 0 ]; then
  result="FAILED, ${#failed[@]} of its steps"
else
  result="nothing failed, ${#passed[@]} steps are ok"
fi
if [ ${#left_out[@]} -gt 0 ]; then result+=", ${#left_out[@]} are left out"; fi
conclude "$result"
echo
summary "$result"
echo "The report is $report. Please send it to the authors of nfd, whatever it says."
[ ${#failed[@]} -eq 0 ]
