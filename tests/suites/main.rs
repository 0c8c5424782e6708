//! Every suite that needs no process of its own, in one program, which links the library once: one suite
//! is `cargo test --release --test suites NAME::`. Tests run side by side here, so none may change what the
//! whole process has (environment, current directory, signal handlers, allocator).

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod activation;
mod advice;
mod algebra;
mod arrays;
#[cfg(target_os = "linux")]
mod beginnings;
mod build_mpi;
mod checkpoints;
mod cite;
mod claims;
mod compare;
mod containers;
mod coverage;
mod cpu;
mod cuda_memory;
mod cuda_run;
mod cuda_start;
mod data;
mod data_files;
mod data_formats;
mod data_numpy;
mod data_tables;
mod deal;
mod dense;
mod derivatives;
mod descent;
mod documents;
mod engines;
mod evaluation;
mod examples;
mod experiment;
mod extremes;
mod first_update;
mod gpu_check;
mod gpu_pack;
mod grids;
mod house;
mod journal_damage;
mod journals;
mod judge;
mod judge_input;
mod kernel_cache;
mod kernels;
mod law;
mod limit;
mod limit_levels;
mod limit_matched;
mod limit_refused;
mod limit_rounds;
mod limit_runs;
mod limit_values;
mod lock_meetings;
mod locks;
mod logs;
mod minibatch;
mod mistakes;
mod modules;
mod observables;
mod optimum;
mod order_parameters;
mod pairs;
mod plan;
mod plots;
mod progress;
mod python;
mod readme;
mod report;
mod report_browser;
mod response_functions;
mod responses;
mod resume;
mod rng;
mod rules;
mod run;
mod run_directories;
mod schema;
mod seeds;
mod shards;
mod stability;
mod stats;
mod stops;
mod store;
mod studies;
mod toy;
mod traffic;
mod training;
mod two_layer;
mod two_layer_jobs;
mod verdicts;
