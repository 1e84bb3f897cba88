//! `mayfly doctor`, as programs and people call it, against the simulated GitHub and the real engine.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod docker;
mod findings;
#[path = "../../../crates/service/tests/support/in_time.rs"]
mod in_time;
#[path = "../../../crates/service/tests/support/limit.rs"]
mod limit;
mod overview;
mod support;
mod transport;
