#!/usr/bin/env bash
# One experiment on one machine by MPI ranks, as a rehearsal of a cluster.
#
#   jobs/build-mpi.sh
#   jobs/laptop.sh EXPERIMENT.json [options of nfd run]
#
# Ranks are processes that share the networks and the cores out among themselves. Plain `nfd run` uses all
# cores too, by threads of one process, and needs no MPI; ranks are for several machines, sockets or GPUs
# (each takes the GPU of its place on the machine). Results are the same bytes.
# To stop it within a training step: kill -USR1 the mpirun. The same command resumes.
set -euo pipefail

RANKS=${RANKS:-$(getconf _NPROCESSORS_ONLN)} # as many as cores; fewer have several threads each
NFD=${NFD:-target/release/nfd}

# Open MPI, which counts cores without hyperthreads, is to allow more ranks than that (4; 5).
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
# Unbound, so that nfd shares out the cores: bound to one, a rank of several threads would have only that.
exec mpirun -n "$RANKS" -bind-to none "$NFD" run "$@"
