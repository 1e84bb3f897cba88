//! What every request needs, built once.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::auth::ApiKeys;
use crate::client_address::TrustedProxies;
use crate::config::Config;
use crate::cors::CorsOrigins;
use crate::metrics::Metrics;
use crate::orchestrator::Orchestrator;
use crate::rate_limit::{self, Limits};
use crate::webhook::Webhooks;

/// The parts of the gateway that handlers and layers share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Parts>);

/// The parts themselves.
pub(crate) struct Parts {
    pub(crate) keys: ApiKeys,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) cors: CorsOrigins,
    pub(crate) limits: Limits,
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
            limits: rate_limit::limits(config),
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
