//! The simulator from the outside: its answers against GitHub's description, its behaviour, its runner.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answers;
mod app;
mod behaviour;
mod control;
mod graphql;
mod hooks;
mod limits;
mod program;
mod repositories;
mod rules;
mod runner;
mod schema;
mod support;
