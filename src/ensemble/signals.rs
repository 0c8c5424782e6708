//! What asks to stop: Ctrl-C, a batch system's time limit or preemption, a limit of one's own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts as signal;
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use tracing::info;

use crate::error::{Error, Result, exit};
use crate::log::FILE;

#[cfg(unix)]
const SIGNALS: [i32; 4] = [signal::SIGINT, signal::SIGTERM, signal::SIGUSR1, signal::SIGUSR2];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [signal::SIGINT, signal::SIGTERM];

/// Signals so close together are one: launchers and batch systems both pass them on.
const ONE: Duration = Duration::from_millis(200);

/// From now on the first of these signals sets the flag, and a second one ends the process at once:
/// what is on disk is whole at any instant. So does the end of `limit`, where there is one.
///
/// Other signals do not matter: Slurm and mpirun send SIGCONT beside the one that is meant, and every
/// signal has a bit of its own until it is looked at.
///
/// # Errors
/// [`Error::Io`] when the system does not allow it.
pub fn stop_flag(limit: Option<Duration>) -> Result<Arc<AtomicBool>> {
    let failed = |source| Error::Io { action: "listen to", path: "signals".into(), source };
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new(SIGNALS).map_err(failed)?;
    let by_signal = stop.clone();
    let listen = move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            let name = low_level::signal_name(signal).unwrap_or("a signal");
            info!(target: FILE, "{name}: stops as soon as it can");
            by_signal.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed() > ONE {
                low_level::exit(i32::from(exit::INTERRUPTED));
            }
        }
    };
    spawn(listen).map_err(failed)?;
    if let Some(limit) = limit {
        let by_clock = stop.clone();
        spawn(move || {
            thread::sleep(limit);
            info!(target: FILE, "the end of --max-hours: stops as soon as it can");
            by_clock.store(true, Ordering::Relaxed);
        })
        .map_err(failed)?;
    }
    Ok(stop)
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("stop".to_owned()).spawn(work).map(drop)
}
