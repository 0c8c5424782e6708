//! Signals that ask to stop: Ctrl-C, a batch system's time limit, preemption.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts as signal;
use signal_hook::flag;

use crate::error::{Error, Result};

/// EX_TEMPFAIL: the same command resumes.
pub const EXIT_CODE: u8 = 75;

#[cfg(unix)]
const SIGNALS: [i32; 3] = [signal::SIGINT, signal::SIGTERM, signal::SIGUSR1];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [signal::SIGINT, signal::SIGTERM];

/// From now on the first of these signals sets the flag, and the second ends the process at once:
/// what is on disk is whole at any instant.
///
/// # Errors
/// [`Error::Io`] when the system does not allow it.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = || -> io::Result<()> {
        for signal in SIGNALS {
            // In this order: the exit looks at the flag before this signal sets it.
            flag::register_conditional_shutdown(signal, i32::from(EXIT_CODE), stop.clone())?;
            flag::register(signal, stop.clone())?;
        }
        Ok(())
    };
    register().map_err(|source| Error::Io {
        action: "listen to",
        path: "signals".into(),
        source,
    })?;
    Ok(stop)
}
