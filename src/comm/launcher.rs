//! What `mpirun` and `srun` leave in the environment of the processes that they start.

use crate::error::{Error, Result};

/// Processes of the job step. Not SLURM_NTASKS, which a batch script sees as well.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];
const LOCAL_RANKS: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];

/// The rank of this process on its node, where a launcher tells.
pub fn local_rank() -> Option<usize> {
    LOCAL_RANKS.into_iter().find_map(read_number)
}

/// Refuses to be one of several processes that a launcher has started when `size` of them know each
/// other, through `library`.
///
/// # Errors
/// [`Error::Ranks`]
pub fn check(size: usize, library: Option<&str>) -> Result<()> {
    check_launched(size, library, SIZES.into_iter().find_map(read_number))
}

fn read_number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

fn check_launched(size: usize, library: Option<&str>, launched: Option<usize>) -> Result<()> {
    let Some(launched) = launched.filter(|&launched| launched > size) else { return Ok(()) };
    let (problem, help) = match library {
        None => (
            format!(
                "a launcher started {launched} processes, and this build has no MPI: each would do \
                 the whole run"
            ),
            "build with `cargo build --release --features mpi`, or give each process a --shard"
                .to_owned(),
        ),
        Some(library) => (
            format!(
                "a launcher started {launched} processes, but {size} of them found each other \
                 through {library}"
            ),
            "use the mpirun of that library, or the plugin of srun for it (srun --mpi=list; Open MPI: \
             pmix, MPICH and Intel MPI: pmi2)"
                .to_owned(),
        ),
    };
    Err(Error::Ranks { problem, help, failed: false })
}

#[cfg(test)]
mod tests {
    use super::check_launched;

    #[test]
    fn processes_that_do_not_know_each_other_are_refused() {
        for (size, library, launched, refused) in [
            (1, None, None, false),
            (1, None, Some(1), false),
            (1, None, Some(2), true),
            (2, Some("some MPI"), Some(2), false),
            (1, Some("some MPI"), Some(2), true),
            (2, Some("some MPI"), None, false),
            // A step of a larger allocation.
            (4, Some("some MPI"), Some(2), false),
        ] {
            assert_eq!(
                check_launched(size, library, launched).is_err(),
                refused,
                "{size} {launched:?}"
            );
        }
    }
}
