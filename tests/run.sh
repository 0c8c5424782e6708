#!/usr/bin/env bash
# Every check of the project. With --install, or under CI, it installs what the checks need; without
# that, a check whose tool is missing is skipped with a visible line.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

install=false
[ "${CI:-}" = true ] && install=true
for argument in "$@"; do
  case "$argument" in
    --install) install=true ;;
    *) echo "usage: tests/run.sh [--install]" >&2; exit 2 ;;
  esac
done

passed=0 failed=0 skipped=0
suite() { # NAME COMMAND...
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1)); echo "== $name: ok, $((SECONDS - start)) s"
  else
    failed=$((failed + 1)); echo "== $name: FAILED, $((SECONDS - start)) s"
  fi
}
skip() { skipped=$((skipped + 1)); echo "== $1: SKIPPED, $2"; }

component() { # a part of the Rust toolchain that cargo calls, e.g. rustfmt
  command -v "cargo-$2" >/dev/null && return 0
  $install && rustup component add "$1"
}

browser() { # Chromium, under one of the names that tests/suites/report_browser.rs knows
  command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null
}
mpi() { # the programs of one MPI library by Debian's names, which do not get in each other's way
  # Not grep -q: it ends at the first match, and ldconfig, cut off, would fail the pipe.
  command -v "mpicc.$1" >/dev/null && command -v "mpirun.$1" >/dev/null &&
    ldconfig -p | grep 'libclang[-.][0-9s]' >/dev/null
}
slurm() { # its daemons are not on everybody's path
  local PATH=$PATH:/usr/sbin name
  for name in slurmctld slurmd munged sbatch; do command -v $name >/dev/null || return 1; done
}
packages() { # what the checks below need and this machine lacks
  browser || echo chromium
  mpi openmpi || echo openmpi-bin libopenmpi-dev libclang1
  mpi mpich || echo mpich libmpich-dev
  slurm || echo slurm-wlm munge
  command -v shellcheck >/dev/null || echo shellcheck
  command -v rsvg-convert >/dev/null || echo librsvg2-bin
  command -v pdftoppm >/dev/null || echo poppler-utils
  command -v inkscape >/dev/null || echo inkscape
  command -v jq >/dev/null || echo jq
}
install_packages() {
  local as=()
  [ "$(id -u)" -eq 0 ] || as=(sudo DEBIAN_FRONTEND=noninteractive)
  "${as[@]}" apt-get update -qq &&
    "${as[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
mpi_programs() { # LIBRARY: what tests run under it, into target/LIBRARY
  # Tests of ranks need no kernels. Without optimisation of our own code it takes seconds instead of
  # minutes; results are the same bits.
  MPICC=mpicc.$1 NFD_NVRTC=none jobs/build-mpi.sh --quiet --bin nfd --example panicking_rank \
    --config profile.release.package.neural-feature-dynamics.opt-level=0 &&
    mkdir -p "target/$1" &&
    cp "${CARGO_TARGET_DIR:-target}"/release/{nfd,examples/panicking_rank} "target/$1"
}
mpi_lints() {
  BINDGEN_EXTRA_CLANG_ARGS="-I$(gcc -print-file-name=include)" NFD_NVRTC=none \
    cargo clippy --release --quiet --features mpi --lib --bins --examples -- -D warnings
}

toolkit() { # a CUDA compiler that the build will find without our help
  [ -n "${NFD_NVRTC:-}${CUDA_HOME:-}${CUDA_PATH:-}" ] || ldconfig -p 2>/dev/null | grep 'libnvrtc\.so' >/dev/null
}
fetch_nvrtc() { # the two libraries of its Python package, moved into place when they are whole
  local to=$1 new
  mkdir -p "$(dirname "$to")" && new=$(mktemp -d "$to.XXXXXX") || return 1
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$new" nvidia-cuda-nvrtc-cu12==12.9.86 &&
    python3 - "$new" <<'PYTHON' && rm -rf "$to" && mv "$new/nvrtc" "$to"
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
(folder / "nvrtc").mkdir()
with zipfile.ZipFile(wheel) as archive:
    names = [n for n in archive.namelist() if "/lib/libnvrtc" in n and ".alt." not in n]
    assert len(names) == 2, archive.namelist()
    for name in names:
        (folder / "nvrtc" / pathlib.Path(name).name).write_bytes(archive.read(name))
PYTHON
  local status=$?
  rm -rf "$new"
  return $status
}
# Neither lints nor pages look at compiled kernels, each of which would compile them anew.
lints() {
  NFD_NVRTC=none cargo clippy --workspace --release --all-targets --quiet -- -D warnings
}
documentation() ( # of the software device, which nobody uses as a library, private items too
  export RUSTDOCFLAGS="-D warnings" NFD_NVRTC=none
  # In the profile of lints, which has looked at all dependencies already.
  cargo doc --release --no-deps --quiet &&
    cargo doc --release -p softcuda --no-deps --document-private-items --quiet
)
software_device() { # under the driver's names, in the only folder that tests put on the loader's path
  local name
  cargo build --release --quiet -p softcuda && mkdir -p target/softcuda &&
    for name in libcuda.so libcuda.so.1; do
      cp "${CARGO_TARGET_DIR:-target}/release/libsoftcuda.so" "target/softcuda/$name" || return 1
    done
}

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: install Rust 1.89 or newer" >&2
  exit 1
fi
# What all else needs.
missing=$(packages)
if $install && [ -n "$missing" ]; then
  # shellcheck disable=SC2086 # one word a package
  suite "packages" install_packages $missing
fi
# Before the first build, which compiles the kernels where there is a compiler for them.
if ! toolkit && [ ! -e target/nvrtc/libnvrtc.so.12 ]; then
  if $install; then
    suite "nvrtc" fetch_nvrtc target/nvrtc
  else
    skip "nvrtc" "no CUDA compiler, so kernels are not compiled (tests/run.sh --install fetches one)"
  fi
fi
if command -v shellcheck >/dev/null; then
  suite "scripts" shellcheck jobs/*.sh jobs/*.sbatch tests/run.sh .ci/run
else
  skip "scripts" "shellcheck is missing (tests/run.sh --install)"
fi
if component rustfmt fmt; then
  suite "format" cargo fmt --all --check
elif $install; then
  suite "format" false
else
  skip "format" "rustfmt is missing (rustup component add rustfmt)"
fi
if component clippy clippy; then
  suite "lints" lints
elif $install; then
  suite "lints" false
else
  skip "lints" "clippy is missing (rustup component add clippy)"
fi
suite "documentation" documentation
suite "software device" software_device
# arrays.npz is read by NumPy itself, examples/ by pandas too, python/ needs all of these packages, exported
# networks are trained by JAX, report.html is shown by Chromium; without them their tests say that they are
# skipped, and fail under CI. PyTorch, which brings gigabytes of CUDA libraries, is used where it is installed.
if [ -z "${NFD_PYTHON:-}" ]; then
  export NFD_PYTHON=python3
  if $install && ! python3 -c 'import setuptools.command.bdist_wheel, pip, numpy, pandas, pyarrow, xarray, matplotlib, jax, safetensors' 2>/dev/null; then
    NFD_PYTHON=$PWD/target/python/bin/python
    [ -x "$NFD_PYTHON" ] || suite "python" python3 -m venv target/python
    suite "python packages" "$NFD_PYTHON" -m pip install --quiet numpy pandas pyarrow xarray matplotlib jax safetensors 'setuptools>=77'
  fi
fi
# Programs of both MPI libraries, before the tests, which build nfd without MPI again.
for library in openmpi mpich; do
  if mpi $library; then
    suite "$library" mpi_programs $library
    export "NFD_${library^^}=$PWD/target/$library/nfd"
  elif $install; then
    suite "$library" false
  else
    skip "$library" "no mpicc.$library, mpirun.$library or libclang (tests/run.sh --install)"
  fi
done
if [ -n "${NFD_OPENMPI:-}" ] && component clippy clippy; then
  suite "lints of MPI" mpi_lints
fi
suite "tests" cargo test --workspace --release --quiet --no-fail-fast --bins --examples --test '*'
# They need no speed, and with it the library would be compiled a second time.
suite "unit tests" cargo test --workspace --release --quiet --no-fail-fast --lib \
  --config profile.release.package.neural-feature-dynamics.opt-level=1

# The pages as a book. Without optimisation mdBook is built in a minute, and makes it in two seconds.
if ! command -v mdbook >/dev/null && [ -z "${NFD_MDBOOK:-}" ]; then
  export NFD_MDBOOK=$PWD/target/mdbook/bin/mdbook
  if $install && [ ! -x "$NFD_MDBOOK" ]; then
    suite "mdbook" env CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked \
      --no-default-features --root target/mdbook mdbook@0.5.4
  fi
fi
if command -v "${NFD_MDBOOK:-mdbook}" >/dev/null; then
  suite "book" python3 docs/book.py
elif $install; then
  suite "book" false
else
  skip "book" "mdbook is missing (tests/run.sh --install)"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
