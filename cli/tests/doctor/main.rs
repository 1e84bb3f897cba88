//! `mayfly doctor`, as programs and people call it, against the simulated GitHub and the real engine.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod docker;
mod findings;
mod overview;
mod support;
mod transport;
