//! `nfd schema`: the JSON schema of experiment files, for editors and checkers.

use super::print;
use crate::error::{Result, exit};
use crate::experiment::raw::Experiment;

/// Prints the JSON schema on stdout.
pub fn run() -> Result<u8> {
    let schema = schemars::schema_for!(Experiment);
    print(&format!("{:#}\n", schema.to_value()))?;
    Ok(exit::DONE)
}
