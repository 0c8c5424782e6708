//! Joins a job; then a worker thread of rank 1 panics, as one of a task might, while the others wait.

fn main() -> Result<(), nfd::error::Error> {
    nfd::log::start(nfd::log::Format::Human, false)?;
    let comm = nfd::comm::start(false)?;
    std::thread::scope(|scope| {
        if comm.rank() == 1 {
            scope.spawn(|| panic!("planted"));
        }
    });
    comm.gather(Vec::new());
    Ok(())
}
