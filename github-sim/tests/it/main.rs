//! The simulator from the outside: its answers against GitHub's description, its behaviour, its runner.

mod behaviour;
mod control;
mod runner;
mod schema;
mod support;
