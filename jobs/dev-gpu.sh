#!/usr/bin/env bash
# One GPU for an hour of development: builds, asks Slurm for a GPU where there is Slurm, and there shows
# what nfd finds and runs an experiment, or without one gives a shell.
#
#   jobs/dev-gpu.sh [EXPERIMENT.json [options of nfd run]]
#   NFD=path/to/nfd jobs/dev-gpu.sh ...        # a binary that is there already
#
# It builds before it asks, for the node of the GPU may have no network. Kernels are compiled in where
# NVRTC is found (docs/gpu.md), so that the node needs nothing but its driver.
set -euo pipefail

# Your site.
# module load cuda                             # or NFD_NVRTC
allocate=(srun --gres=gpu:1 --ntasks=1)
allocate+=(--time=01:00:00 --cpus-per-task=8)
# allocate+=(--account=NAME --partition=NAME)

if [ -z "${NFD:-}" ]; then
  cargo build --release
  NFD=${CARGO_TARGET_DIR:-target}/release/nfd
fi
export NFD

if [ -z "${SLURM_JOB_ID:-}" ] && command -v srun >/dev/null; then
  if [ -t 0 ]; then allocate+=(--pty); fi
  exec "${allocate[@]}" "$0" "$@"              # this script again, on the node
fi

"$NFD" doctor
if [ $# -gt 0 ]; then
  exec "$NFD" run --backend cuda "$@"
fi
exec "${SHELL:-bash}"
