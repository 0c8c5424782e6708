//! `nfd`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nfd::cli::main(std::env::args_os().collect())
}
