//! What every request needs, built once.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::auth::ApiKeys;
use crate::client_address::TrustedProxies;
use crate::config::Config;
use crate::cors::CorsOrigins;
use crate::edge::Refusals;
use crate::metrics::Metrics;
use crate::orchestrator::Orchestrator;
use crate::rate_limit::{self, Bucket, Limits};
use crate::shares::Shares;
use crate::webhook::Webhooks;
use mayfly_common::host::PublicHosts;

/// Most streams of events of one caller: nobody takes all of the orchestrator's places.
const STREAMS_PER_CALLER: usize = 16;

/// The parts of the gateway that handlers and layers share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Parts>);

/// The parts themselves.
pub(crate) struct Parts {
    pub(crate) keys: ApiKeys,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) cors: CorsOrigins,
    pub(crate) public_hosts: PublicHosts,
    pub(crate) limits: Limits,
    /// The limit on what may cost requests to GitHub.
    pub(crate) costly: Limits,
    /// Streams of events by caller.
    pub(crate) streams: Shares<Bucket>,
    pub(crate) refusals: Refusals,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) webhooks: Webhooks,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled when the service stops.
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    pub(crate) fn new(config: &Config) -> Self {
        let metrics = Arc::new(Metrics::new());
        let stop = CancellationToken::new();
        Self(Arc::new(Parts {
            keys: config.keys.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            cors: config.cors.clone(),
            public_hosts: config.public_hosts.clone(),
            limits: rate_limit::limits(config),
            costly: rate_limit::costly(),
            streams: Shares::new(STREAMS_PER_CALLER),
            refusals: Refusals::new(),
            orchestrator: Orchestrator::new(
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
