//! The gateway against an orchestrator in memory: every promise of the edge, and every way the other side can fail.

#![expect(clippy::unwrap_used, reason = "all of this crate is tests and what they share")]

mod auth;
mod binary;
#[path = "../../../crates/service/tests/support/collector.rs"]
mod collector;
mod cors;
mod create;
mod documents;
mod door;
mod errors;
mod health;
mod holder;
mod in_process;
#[path = "../../../crates/service/tests/support/in_time.rs"]
mod in_time;
#[path = "../../../crates/service/tests/support/limit.rs"]
mod limit;
mod limits;
mod logs;
mod metrics;
#[path = "../../../crates/service/tests/support/metrics_table.rs"]
mod metrics_table;
mod passing_on;
mod server;
#[path = "../support/stub.rs"]
mod stub;
mod support;
mod upstream_faults;
mod webhooks;
