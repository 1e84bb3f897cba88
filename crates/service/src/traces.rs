//! Traces over OTLP (protobuf over HTTP), where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.
//!
//! Spans have a target of their own, [`TARGET`], which logging never enables. So without a collector no span is ever made, and a log
//! line looks the same with one. Of what is logged nothing becomes part of a trace.
//!
//! Invariant: a span holds words of few values, numbers, and names of pools, places and runners; never a header, a query or a body.

mod config;
#[cfg(feature = "traces")]
mod export;
#[cfg(feature = "traces")]
mod span;

pub use config::TraceConfig;
#[cfg(feature = "traces")]
pub use export::Traces;
#[cfg(feature = "traces")]
pub use span::{answered, count, failed, pass_on, request};

/// The target of spans.
pub const TARGET: &str = "traces";
