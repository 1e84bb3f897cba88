//! The orchestrator's parts together: the real reconciler, the real GitHub client and the simulated GitHub over HTTP. `converge`,
//! `faults` and `api` use a backend in memory; `docker` and `dind` use the real engine.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod api;
mod app;
mod assignment;
mod backends;
mod beside;
mod bombs;
mod budget;
mod checkup;
#[path = "../../../crates/service/tests/support/collector.rs"]
mod collector;
mod confinement;
mod converge;
mod departures;
mod dind;
mod discovery;
mod docker;
mod drain;
mod engines;
mod enterprise;
mod events;
mod fairness;
mod faults;
mod frozen;
mod groups;
mod hanging;
#[path = "../../src/heard.rs"]
mod heard;
mod held_runs;
mod hooks;
#[path = "../../../crates/service/tests/support/in_time.rs"]
mod in_time;
mod jobs;
#[path = "../../../crates/service/tests/support/limit.rs"]
mod limit;
mod metrics;
#[path = "../../../crates/service/tests/support/metrics_table.rs"]
mod metrics_table;
mod oddities;
mod parameters;
mod passes;
mod pools;
mod program;
mod pull;
mod refusals;
mod repositories;
mod safety;
mod service;
mod shell;
mod shown;
mod stub_engine;
mod support;
mod taken;
mod traces;
mod webhooks;
mod wiring;
