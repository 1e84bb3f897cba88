//! What the handlers share, built once.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::orchestrator::{Orchestrator, Upstream};
use crate::rate_limit::{Bucket, RateLimits};
use crate::shares::Shares;
use crate::webhook::Webhooks;

/// Most streams of events of one caller: nobody takes all of the orchestrator's places.
const STREAMS_PER_CALLER: usize = 16;

/// What handlers share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Parts>);

/// The parts themselves.
pub(crate) struct Parts {
    pub(crate) rate_limits: Arc<RateLimits>,
    /// Streams of events by caller.
    pub(crate) streams: Shares<Bucket>,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) webhooks: Webhooks,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled when the service stops.
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    pub(crate) fn new(config: &Config, upstream: Upstream) -> Self {
        let metrics = Arc::new(Metrics::new());
        let stop = CancellationToken::new();
        let rate_limits =
            RateLimits::new(config.rate_per_second, config.rate_burst, Arc::clone(&metrics));
        Self(Arc::new(Parts {
            rate_limits: Arc::new(rate_limits),
            streams: Shares::new(STREAMS_PER_CALLER),
            orchestrator: Orchestrator::new(
                upstream,
                &config.orchestrator,
                config.request_timeout,
                Arc::clone(&metrics),
                stop.clone(),
            ),
            webhooks: Webhooks::new(config.webhook_secrets.clone()),
            metrics,
            stop,
        }))
    }
}

impl Deref for Gateway {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
