//! `mayfly doctor github`, as programs and people call it, against the simulated GitHub.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod findings;
mod support;
mod transport;
