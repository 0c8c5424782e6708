#!/usr/bin/env bash
# One experiment on one machine by MPI ranks, as a rehearsal of a cluster.
#
#   cargo build --release --features mpi
#   jobs/laptop.sh EXPERIMENT.json [options of nfd run]
#
# Ranks are processes that share the networks out among themselves, each with threads and memory of its
# own. Plain `nfd run` uses all cores too, by threads of one process, and needs no MPI; ranks are for
# several machines, sockets or GPUs (rank i of a machine takes its GPU i). Results are the same bytes.
# To stop it within a training step: kill -USR1 the mpirun. The same command resumes.
set -euo pipefail

cores=$(getconf _NPROCESSORS_ONLN)
RANKS=${RANKS:-$cores}
THREADS=${THREADS:-$((cores > RANKS ? cores / RANKS : 1))} # of each rank
NFD=${NFD:-target/release/nfd}

# OpenMPI counts cores without hyperthreads and refuses more ranks than that; 4 and 5 by their names.
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
# Without binding, which would give all threads of a rank one core.
exec mpirun -n "$RANKS" -bind-to none "$NFD" run --threads "$THREADS" "$@"
