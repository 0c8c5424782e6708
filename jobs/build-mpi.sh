#!/usr/bin/env bash
# Builds nfd with MPI, and tries it: target/release/nfd, for the MPI library whose compiler wrapper is found.
#
#   module load gcc openmpi                 # or what your cluster has; the MPI that nfd is to run with
#   jobs/build-mpi.sh [options of cargo build]
#
# It finds, each unless the variable names it:
#   MPICC                     the wrapper: mpicc, mpicc.openmpi, mpicc.mpich, or cc of a Cray
#   LIBCLANG_PATH             libclang, which the bindings to MPI are made with: of llvm-config, ldconfig or the
#                             usual folders, or else Python's package of it, downloaded into target/libclang
#   BINDGEN_EXTRA_CLANG_ARGS  the C compiler's own headers, which libclang alone has not
# Then it runs a small experiment on two ranks, where there is an mpirun. CHECK=no leaves that out.
# Exit codes: 0 built, and two ranks have run where they could; 1 it does not build or run; 2 something is missing.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

say() { echo "build-mpi: $1" >&2; }
missing() { # WHAT WHAT-TO-DO
  say "$1"
  echo "  $2" >&2
  exit 2
}
has() { command -v "$1" >/dev/null 2>&1; }
target=${CARGO_TARGET_DIR:-target}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# Cargo.
has cargo || missing "there is no cargo" "install Rust 1.89 or newer, or load its module"

# The wrapper.
compiles() { # a program with MPI, to its end
  printf '#include <mpi.h>\nint main(int n, char **a) { return MPI_Init(&n, &a) || MPI_Finalize(); }\n' \
    >"$scratch/mpi.c"
  "$1" "$scratch/mpi.c" -o "$scratch/mpi" >"$scratch/log" 2>&1
}
if [ -z "${MPICC:-}" ]; then
  names=(mpicc mpicc.openmpi mpicc.mpich)
  # A Cray's cc is its wrapper; anybody else's is a C compiler.
  [ -z "${CRAYPE_VERSION:-}${CRAY_MPICH_DIR:-}" ] || names=(cc "${names[@]}")
  for name in "${names[@]}"; do
    if has "$name"; then MPICC=$name; break; fi
  done
  [ -n "${MPICC:-}" ] || missing "there is no MPI compiler wrapper: looked for ${names[*]}" \
    "load the cluster's MPI module, install one (Debian: libopenmpi-dev openmpi-bin), or name it with MPICC"
fi
has "$MPICC" || missing "there is no MPICC=$MPICC" "name a compiler wrapper of MPI that is on the path"
if ! compiles "$MPICC"; then
  sed 's/^/  /' "$scratch/log" | head -n 20 >&2
  missing "$MPICC does not compile a program with MPI" \
    "name another wrapper with MPICC; a Debian library also needs its -dev package, a Cray the module cray-mpich"
fi
export MPICC
say "MPI by $(command -v "$MPICC")"

# libclang.
clang_in() { # FOLDER: whether libclang is there, as bindgen looks for it
  local file
  for file in "$1"/libclang.so "$1"/libclang-[0-9]*.so "$1"/libclang.so.[0-9]* "$1"/libclang-[0-9]*.so.[0-9]*; do
    [ -s "$file" ] && return 0
  done
  return 1
}
clang_folders() { # where it may be, the best first
  local name
  for name in llvm-config $(compgen -c llvm-config- | sort -u -V -r); do
    has "$name" && "$name" --libdir 2>/dev/null
  done
  PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | sed -n 's|.*libclang[-.][0-9s][^ ]* .*=> \(/.*\)/[^/]*$|\1|p'
  printf '%s\n' /usr/lib/llvm-*/lib /usr/lib64 /usr/lib64/llvm*/lib /usr/lib /usr/lib/*-linux-gnu \
    /usr/local/lib /opt/cray/pe/cce/*/cce-clang/*/lib /opt/rocm/llvm/lib "$target/libclang/clang/native"
}
if [ -z "${LIBCLANG_PATH:-}" ]; then
  while read -r folder; do
    if clang_in "$folder"; then LIBCLANG_PATH=$folder; break; fi
  done < <(clang_folders)
fi
if [ -z "${LIBCLANG_PATH:-}" ]; then
  say "no libclang here: Python's package of it is taken"
  for pip in "python3 -m pip" pip3 pip; do
    # shellcheck disable=SC2086 # words of a command
    $pip install --quiet --no-deps --disable-pip-version-check \
      --target "$target/libclang" libclang==18.1.1 >"$scratch/log" 2>&1 && break
  done
  clang_in "$target/libclang/clang/native" || {
    tail -n 5 "$scratch/log" | sed 's/^/  /' >&2
    missing "there is no libclang, and pip brought none" \
      "install it (Debian: libclang1), load an llvm module, or name its folder with LIBCLANG_PATH; where there is no \
network: pip download libclang==18.1.1 elsewhere, and unpack it"
  }
  LIBCLANG_PATH=$target/libclang/clang/native
fi
# A build script has a folder of its own.
LIBCLANG_PATH=$(realpath "$LIBCLANG_PATH") || missing "there is no LIBCLANG_PATH" "name the folder that libclang is in"
export LIBCLANG_PATH
say "libclang in $LIBCLANG_PATH"

# Headers of the C compiler.
if [ -z "${BINDGEN_EXTRA_CLANG_ARGS:-}" ]; then
  for name in gcc cc clang; do
    has "$name" || continue
    headers=$("$name" -print-file-name=include 2>/dev/null)
    [ -e "$headers/stddef.h" ] || continue
    export BINDGEN_EXTRA_CLANG_ARGS="-I$headers"
    break
  done
  [ -n "${BINDGEN_EXTRA_CLANG_ARGS:-}" ] ||
    say "no C compiler says where its headers are: if stddef.h is not found, set BINDGEN_EXTRA_CLANG_ARGS=-I..."
fi

# The bindings do not notice that they are of another library than before.
wrapper=$("$MPICC" -show 2>/dev/null || command -v "$MPICC")
if [ "$(cat "$target/mpi-wrapper" 2>/dev/null)" != "$wrapper" ]; then
  cargo clean --release --quiet -p mpi-sys 2>/dev/null
fi
# Where the wrapper has the loader look for the library, which may find another of the same name else.
NFD_MPI_RPATH='' before=''
for word in $wrapper; do
  case $word in
    -Wl,-rpath,* | -Wl,-rpath=*) NFD_MPI_RPATH+=:${word#-Wl,-rpath?} ;;
    -Wl,*) if [ "$before" = -Wl,-rpath ]; then NFD_MPI_RPATH+=:${word#-Wl,}; fi ;;
  esac
  before=$word
done
export NFD_MPI_RPATH=${NFD_MPI_RPATH#:}
if ! cargo build --release --features mpi "$@"; then
  say "it does not build: see above"
  exit 1
fi
printf '%s\n' "$wrapper" >"$target/mpi-wrapper"
nfd=$(realpath "$target/release/nfd")
if ! "$nfd" doctor >"$scratch/doctor" 2>&1; then
  sed 's/^/  /' "$scratch/doctor" >&2
  say "$nfd was built and does not start: are the libraries of MPI where the loader looks (LD_LIBRARY_PATH)?"
  exit 1
fi
say "$("$nfd" --version) with $(sed -n 's/^MPI  *//p' "$scratch/doctor"): $nfd"

# Two ranks.
[ "${CHECK:-yes}" = yes ] || exit 0
wrapper=$(command -v "$MPICC")
mpirun=''
for name in "${wrapper/%mpicc*/mpirun${wrapper##*mpicc}}" "$(dirname "$wrapper")/mpirun" mpirun; do
  if has "$name" && [ "$name" != "$wrapper" ]; then mpirun=$name; break; fi
done
if [ -z "$mpirun" ]; then
  say "not tried on two ranks: no mpirun beside $MPICC. Under Slurm: srun -n 2 $nfd run jobs/quickstart.json"
  exit 0
fi
cat >"$scratch/hello.json" <<'JSON'
{ "name": "hello", "data": { "source": "toy" }, "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [8], "depths": [2, 4], "seeds": 2 } }
JSON
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
timeout -k 5 120 "$mpirun" -n 2 "$nfd" run "$scratch/hello.json" --backend cpu --output "$scratch/hello" --threads 1 \
  >"$scratch/log" 2>&1
code=$?
if [ "$code" -eq 0 ] && grep -q "dealt to 2 ranks" "$scratch/log"; then
  say "two ranks have run by $mpirun"
else
  tail -n 20 "$scratch/log" | sed 's/^/  /' >&2
  say "two ranks do not run by $mpirun (exit code $code): is it of the library that nfd was built with?"
  exit 1
fi
