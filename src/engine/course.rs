//! Where the training of networks is between two passes: what a checkpoint holds of it.

use std::io;

use super::Trajectory;
use crate::backend::archive::{Archive, Walked};
use crate::backend::crew::Crew;

/// How far the training of a crew is, between two passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Number of updates that were done, and of the pass that comes next.
    pub step: u32,
    /// What each member has shown so far.
    pub runs: Vec<Trajectory>,
}

impl Course {
    /// That of so many networks at initialisation.
    pub fn new(members: usize) -> Course {
        Course { step: 0, runs: vec![Trajectory::default(); members] }
    }

    /// Walks over a member and what it has shown; the step is not among it.
    ///
    /// # Errors
    /// Those of [`Crew::archive`], and of the crew as `Other`.
    pub fn archive<C: Crew>(
        &mut self,
        crew: &mut C,
        member: usize,
        archive: &mut Archive,
    ) -> Walked {
        if !archive.reads() {
            self.see_divergences(crew).map_err(io::Error::other)?;
        }
        archive.value(&mut self.runs[member])?;
        crew.archive(member, archive)
    }

    /// Notes where unrecorded passes left the finite numbers.
    pub(super) fn see_divergences<C: Crew>(&mut self, crew: &mut C) -> Result<(), C::Fault> {
        for (run, diverged) in self.runs.iter_mut().zip(crew.divergences()?) {
            run.diverged = run.diverged.or(diverged);
        }
        Ok(())
    }
}
