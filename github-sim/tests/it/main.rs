//! The simulator from the outside: its answers against GitHub's description, its behaviour, its runner.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answers;
mod app;
mod behaviour;
mod control;
mod graphql;
mod hooks;
#[path = "../../../crates/service/tests/support/in_time.rs"]
mod in_time;
#[path = "../../../crates/service/tests/support/limit.rs"]
mod limit;
mod limits;
mod program;
mod repositories;
mod rules;
mod runner;
mod schema;
mod support;
