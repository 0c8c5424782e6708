//! `nfd schema`: the JSON schema of experiment files, for editors and checkers.

use super::{Ending, print};
use crate::error::Result;
use crate::experiment::raw::Experiment;

/// Prints the schema.
pub fn run() -> Result<Ending> {
    let schema = schemars::schema_for!(Experiment);
    print(&format!("{:#}\n", schema.to_value()))?;
    Ok(Ending::Done)
}
