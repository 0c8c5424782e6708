//! What people read: tables on the terminal. Reads results, computes nothing itself.

pub mod table;
