//! A note or a warning: with what, where and what to do.

use std::fmt;

/// How much an experiment suffers from what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The question is answered with less certainty, or for less, than it may seem.
    Note,
    /// The question will not be answered; an error where strictness is asked for.
    Warning,
}

/// One thing that an experiment cannot show, or not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// How much the experiment suffers from it.
    pub level: Level,
    /// Dotted path of the field of the experiment that it is about.
    pub field: &'static str,
    /// What cannot be shown and why, in words.
    pub problem: String,
    /// What to do about it, in words.
    pub help: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Note => "NOTE",
            Level::Warning => "WARNING",
        };
        write!(out, "{level}: {}: {}; {}", self.field, self.problem, self.help)
    }
}

/// Says that a question will be answered with less certainty, or for less, than it may seem.
pub(super) fn note(field: &'static str, problem: String, help: impl Into<String>) -> Advice {
    Advice { level: Level::Note, field, problem, help: help.into() }
}

/// Says that a question will not be answered.
pub(super) fn warning(field: &'static str, problem: String, help: impl Into<String>) -> Advice {
    Advice { level: Level::Warning, field, problem, help: help.into() }
}
