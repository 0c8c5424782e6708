#!/usr/bin/env bash
# Every check of the project. With --install, or under CI, it installs what the checks need; without
# that, a check whose tool is missing is skipped with a visible line.
set -uo pipefail
cd "$(dirname "$0")/.."

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

browser() { # Chromium, under one of the names that tests/report_browser.rs knows
  command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null
}
install_browser() {
  local as=()
  [ "$(id -u)" -eq 0 ] || as=(sudo)
  "${as[@]}" apt-get update -qq && "${as[@]}" apt-get install -y -qq chromium >/dev/null
}

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: install Rust 1.89 or newer" >&2
  exit 1
fi
if component rustfmt fmt; then
  suite "format" cargo fmt --all --check
elif $install; then
  suite "format" false
else
  skip "format" "rustfmt is missing (rustup component add rustfmt)"
fi
if component clippy clippy; then
  suite "lints" cargo clippy --release --all-targets --quiet -- -D warnings
elif $install; then
  suite "lints" false
else
  skip "lints" "clippy is missing (rustup component add clippy)"
fi
suite "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
# arrays.npz is read by NumPy itself, report.html shown by Chromium; without them their tests say that
# they are skipped, and fail under CI.
if [ -z "${NFD_PYTHON:-}" ]; then
  export NFD_PYTHON=python3
  if $install && ! python3 -c 'import numpy' 2>/dev/null; then
    NFD_PYTHON=$PWD/target/python/bin/python
    [ -x "$NFD_PYTHON" ] || suite "python" python3 -m venv target/python
    suite "numpy" "$NFD_PYTHON" -m pip install --quiet numpy
  fi
fi
if $install && ! browser; then
  suite "chromium" install_browser
fi
suite "tests" cargo test --release --quiet --no-fail-fast

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
