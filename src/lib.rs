//! **nfd** simulates ensembles of finite residual networks and their infinite-depth limit (Neural
//! Feature Dynamics, arXiv 2512.21075), and measures how fast the one becomes the other.
//!
//! The map of the house; imports go down this list only:
//!
//! * [`cli`]: one verb a file, messages and exit codes;
//! * [`report`]: what people read; computes nothing itself;
//! * [`ensemble`]: what is to be done and by whom: costs, the deal, workers over tasks;
//! * [`comm`]: how the processes of a run talk: alone, or through MPI;
//! * [`claims`]: what is claimed of an observable before the data, fitted on rows and judged;
//! * [`observables`]: what runs and pairs of runs show, and what infinite width predicts;
//! * [`engine`]: what a training run is: order of passes and updates, what is recorded;
//! * [`backend`]: how one sweep over the layers is carried out;
//! * [`stats`]: fits and intervals; pure;
//! * [`store`]: the run directory;
//! * [`experiment`]: what the user asked for: the experiment file, resolved, and its grid of tasks;
//! * [`data`]: samples: bundled sets, CSV, synthetic;
//! * [`model`]: activations, parametrizations, losses, closures: each one table;
//! * [`rng`]: Philox, normals, noise addresses;
//! * [`numbers`]: numbers as a journal would print them;
//! * [`error`]: everything that can go wrong.
#![warn(missing_docs)]

pub mod backend;
pub mod claims;
pub mod cli;
pub mod comm;
pub mod data;
pub mod engine;
pub mod ensemble;
pub mod error;
pub mod experiment;
pub mod model;
pub mod numbers;
pub mod observables;
pub mod report;
pub mod rng;
pub mod stats;
pub mod store;
