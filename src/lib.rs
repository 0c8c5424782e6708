//! **nfd** trains ensembles of finite residual networks, simulates their infinite-depth limit, and
//! measures how fast the one becomes the other: exponents with intervals, verdicts by rules that were
//! declared before the data. It is a program, `nfd run jobs/quickstart.json`, and this library.
//!
//! # What it computes
//!
//! Width n, depth L, horizon T, activation φ, learning rate η; all weights are standard normals at
//! initialisation and every scale is explicit (depth-μP):
//!
//! ```text
//! features           h_0 = d^{-1/2} U x,   h_l = h_{l-1} + √(T/L) n^{-1/2} W_l φ(h_{l-1}),   f = n^{-1} Vᵀ h_L
//! backward features  g_L = V,   g_{l-1} = g_l + φ'(h_{l-1}) ∘ √(T/L) n^{-1/2} W_lᵀ g_l,   g = n ∂f/∂h
//! update             W_l ← W_l − η √(T/L) n^{-1/2} Σ_p χ_p g_l(x_p) φ(h_{l-1}(x_p))ᵀ,   χ = ∂loss/∂f
//! conditional answer W q = Z − QB QBᵀ Z + QB BBᵀ q,   Z ~ N(0, I) fresh,   q ⟂ all earlier q,   BB = Wᵀ QB
//! limit              dh = dB_φ + (response A − η Σ χ C_φ) g dt,   −dg = φ' ∘ [dB_g + (response B − η Σ χ C_g) φ dt]
//! ```
//!
//! The fourth line is why width costs so little: a weight matrix is never built, only its answers to
//! the vectors that it was asked about (QB, orthonormal) are kept, and what it answers next is a known part
//! plus a fresh Gaussian. That has exactly the law of the finite network, at O(n · rank) a layer instead of
//! O(n²). The last line, in which Brownian motions of covariance C_φ = E\[φφᵀ\] and C_g = E\[ggᵀ\] drive
//! forward and backward, is what a closure ([`model::Closure`]) keeps or drops terms of.
//!
//! Derivations, the table that must come out and the closed forms: docs/theory.md, sections 1, 2, 3, 5
//! and 6.
//!
//! # A network by the library
//!
//! `examples/one_network.rs`:
//!
//! ```
#![doc = include_str!("../examples/one_network.rs")]
//! ```
//!
//! From an experiment file: [`experiment::file::ExperimentFile`] reads it, [`experiment::resolve::resolve`] fills
//! in its defaults, and [`ensemble`] trains its tasks.
//!
//! # The modules
//!
//! Imports go down this list only:
//!
//! * [`cli`]: one verb a file, messages and exit codes;
//! * [`report`]: what people read; computes nothing itself;
//! * [`export`]: one trained network of a run as arrays, for other frameworks;
//! * [`job`]: how the processes of a run prepare it, agree on it, share its tasks and close it;
//! * [`ensemble`]: what is to be done and by whom: costs, the deal, workers over tasks;
//! * [`comm`]: how the processes of a run talk: alone, or through MPI;
//! * [`studies`]: the questions: what each asks, claims, shows and finds;
//! * [`claims`]: what is claimed of an observable before the data, fitted on rows and judged;
//! * [`limit`]: outputs and order parameters at infinite width and depth, from finished blocks of networks;
//! * [`observables`]: what runs and pairs of runs show, and what infinite width predicts;
//! * [`engine`]: what a training run is: order of passes and updates, what is recorded;
//! * [`stats`]: fits and intervals; pure;
//! * [`store`]: the run directory;
//! * [`experiment`]: what the user asked for: the experiment file, resolved, and its grid of tasks;
//! * [`backend`]: how one sweep over the layers is carried out, and what it costs;
//! * [`data`]: samples: bundled sets, files, synthetic;
//! * [`model`]: activations, parametrizations, losses, closures: each one table;
//! * [`rng`]: Philox, normals, noise addresses;
//! * [`log`]: what a process says while it works: lines on stderr, a file of each rank;
//! * `choice`: enums of words with their names and meanings, one list each;
//! * [`numbers`]: numbers as a journal would print them;
//! * [`error`]: everything that can go wrong.
#![warn(missing_docs)]
// What a process says goes through `log`.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod choice;

pub mod backend;
pub mod claims;
pub mod cli;
pub mod comm;
pub mod data;
pub mod engine;
pub mod ensemble;
pub mod error;
pub mod experiment;
pub mod export;
pub mod job;
pub mod limit;
pub mod log;
pub mod model;
pub mod numbers;
pub mod observables;
pub mod report;
pub mod rng;
pub mod stats;
pub mod store;
pub mod studies;
