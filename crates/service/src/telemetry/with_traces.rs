//! Logging of a service that also sends traces.

use std::io;

use tracing::Dispatch;
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Format, Logging, PlainJson, TextLine, dispatch, filter};
use crate::traces::{TraceConfig, Traces};

/// Starts logging as [`init`](super::init) does, and traces where `traces` names a collector: the way of the spans, to be finished
/// when the service stops.
pub fn start(logging: Logging, traces: Option<&TraceConfig>) -> Option<Traces> {
    let (way, problem) = match traces.map(Traces::to) {
        Some(Ok(way)) => (Some(way), None),
        Some(Err(problem)) => (None, Some(problem)),
        None => (None, None),
    };
    let _ = dispatch_with(logging, io::stderr, way.as_ref()).try_init();
    if let Some(problem) = problem {
        tracing::warn!("there are no traces: {problem}");
    }
    way
}

/// Logging to `writer`, as [`dispatch`] does; spans go the way of `traces`.
pub fn dispatch_with<W>(logging: Logging, writer: W, traces: Option<&Traces>) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let Some(traces) = traces else {
        return dispatch(logging, writer);
    };
    let layer = tracing_subscriber::fmt::layer();
    let registry = tracing_subscriber::registry();
    match logging.format {
        Format::Json => {
            let layer = layer.with_writer(PlainJson(writer)).json();
            let layer = layer.flatten_event(true).with_target(logging.verbose);
            let layer = layer.with_filter(filter(logging));
            Dispatch::new(registry.with(layer).with(traces.layer()))
        }
        Format::Text => {
            let layer = layer.with_writer(writer);
            let layer = layer.event_format(TextLine { module: logging.verbose });
            let layer = layer.with_filter(filter(logging));
            Dispatch::new(registry.with(layer).with(traces.layer()))
        }
    }
}
