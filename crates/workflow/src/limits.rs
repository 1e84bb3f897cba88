//! Every bound of the scanner, in one place, and the counter that enforces the total.
//!
//! A workflow file is written by strangers. Reading one must cost little whatever it holds, so sizes are capped where
//! they arise, and everything that could multiply (matrix legs, outcomes, text) draws on one allowance per file.
//! Running out is no error: what could not be worked out is *unknown*, which never hides a job.

use std::cell::Cell;

/// Longest file that is read, in bytes. GitHub refuses larger ones, and real ones stay below a fifth of it.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Deepest nesting of mappings and lists. Real files reach about ten; GitHub stops at fifty.
pub(super) const MAX_DEPTH: usize = 50;
/// Most YAML nodes in a file, before aliases are followed. The largest real files hold some ten thousand.
pub(super) const MAX_NODES: usize = 100_000;
/// Most uses of an alias in a file.
pub(super) const MAX_ALIASES: usize = 1_000;
/// Most YAML events that following aliases may add.
pub(super) const MAX_ALIAS_EVENTS: usize = 100_000;
/// Deepest chain of an alias within an alias.
pub(super) const MAX_ALIAS_DEPTH: usize = 16;
/// Most bytes of text once aliases are followed.
pub(super) const MAX_TREE_BYTES: usize = 4 * MAX_FILE_BYTES;
/// Most lines of a file that are indented further so that the YAML library takes them. Each costs another reading.
pub(super) const MAX_REPAIRS: usize = 16;
/// Longest expression, in bytes (GitHub's own bound).
pub(super) const MAX_EXPRESSION_BYTES: usize = 21_000;
/// Deepest expression (GitHub's own bound).
pub(super) const MAX_EXPRESSION_DEPTH: usize = 50;
/// Most values that one expression may have before it counts as known only at run time.
pub(super) const MAX_OUTCOMES: usize = 16;
/// Longest text that an expression may build.
pub(super) const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Largest product of a matrix before `exclude`. GitHub runs at most 256 legs.
pub(super) const MAX_LEGS: usize = 4_096;
/// Steps allowed for one file, all jobs together.
pub(super) const MAX_WORK: usize = 4_000_000;

// A chain of aliases cannot be deeper than what it nests, and one job's legs must leave room for the others.
const _: () = assert!(MAX_ALIAS_DEPTH <= MAX_DEPTH && MAX_LEGS * 64 <= MAX_WORK);

/// What is left of a file's allowance of steps.
pub(super) struct Work(Cell<usize>);

impl Work {
    pub(super) const fn new(steps: usize) -> Self {
        Self(Cell::new(steps))
    }

    /// Takes `steps` from the allowance; `false` once it is used up.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    /// What is left of the allowance.
    pub(super) const fn left(&self) -> usize {
        self.0.get()
    }
}
