//! A job: how the processes of a run prepare it, agree on it, share its tasks and close it.

pub mod progress;
pub mod request;
pub mod team;
