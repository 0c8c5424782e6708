//! The ranks other than 0: what they have to say goes to rank 0.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tracing::warn;

use super::Job;
use super::member::Member;
use super::messages::{Call, Hand, RankAnswer, RankReport, listen};
use super::progress::Display;
use crate::comm::{Comm, gather};
use crate::error::Result;
use crate::store::RunDirectory;
use crate::store::files::Disk;
use crate::store::manifest::Launch;

/// Goes through the phases of a job at a rank other than 0, and returns the exit code.
pub fn follow(job: &Job, comm: &dyn Comm, stop: &AtomicBool) -> Result<u8> {
    // Call.
    let call: Call = match listen(comm) {
        Ok(call) => call,
        Err(code) => return Ok(code),
    };
    // Answer.
    let place = comm.place();
    let member = Member::prepare_called(job, &call, place);
    gather(comm, &RankAnswer::new(member.as_ref().map(|member| &member.machine), place));
    // Deal.
    let mut hands: Vec<Hand> = match listen(comm) {
        Ok(hands) => hands,
        Err(code) => return Ok(code),
    };
    // Rank 0 has heard of an error, and told to end.
    let member = member?;
    let launch = Launch::alone();
    let start = member.start(job, &launch);
    let joined = RunDirectory::join(&member.prepared.output, &start, comm.rank(), Arc::new(Disk));
    gather(comm, &RankReport::new(joined.as_ref()));
    if let Err(code) = listen::<()>(comm) {
        return Ok(code);
    }
    let directory = joined?;
    member.log_start(&directory, comm, &hands[comm.rank()].share);
    for warning in directory.warnings() {
        warn!("{warning}");
    }
    let display = Display::new(directory.path(), comm.rank(), comm.size());
    loop {
        // Run.
        let hand = hands.swap_remove(comm.rank());
        let show = |progress| display.update(progress, || directory.is_held());
        let ran = member.run(&directory, &hand, stop, &show);
        // Report, and hear of another round, or of the end.
        gather(comm, &RankReport::new(ran.as_ref()));
        hands = match listen(comm) {
            Ok(hands) => hands,
            Err(code) => return Ok(code),
        };
    }
}
