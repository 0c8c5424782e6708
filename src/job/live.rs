//! The page of a run while it goes on, written anew from time to time.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tracing::warn;

use super::prepare::Prepared;
use crate::ensemble::{self, Outcome};
use crate::error::Result;
use crate::store::RunDirectory;

/// Writes the page of what is finished, which is written anew after so long.
pub type WritePage<'a> =
    &'a (dyn Fn(&Prepared, &Outcome, &RunDirectory, Duration) -> Result<()> + Sync);

/// Pages while a run goes on.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    /// The time between two pages, beside what it takes to write one.
    pub every: Duration,
    /// What writes one.
    pub write: WritePage<'a>,
}

/// Does `work`, and has the page of `directory` written meanwhile, on a thread of its own. A page that cannot be
/// written ends no run: there is a warning, and no other page before the last.
pub fn beside<T>(
    live: Option<Live>,
    prepared: &Prepared,
    directory: &RunDirectory,
    work: impl FnOnce() -> T,
) -> T {
    let Some(Live { every, write }) = live else { return work() };
    let write_one = || {
        directory.read_other_journals()?;
        let (experiment, data) = (&prepared.resolved.experiment, &prepared.data);
        write(prepared, &ensemble::measure(experiment, data, directory, 1)?, directory, every)
    };
    thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(every) {
                if let Err(error) = write_one() {
                    warn!("no page before the end of the run: {error}");
                    return;
                }
            }
        });
        let result = work();
        drop(done);
        result
    })
}
