//! Hints that something changed.

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::BackendError;

/// Follows what happens to the machines.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// Wakes `changed` whenever a machine's state may have changed, until changes can no longer be followed; then says why.
    /// A hint, never the truth: events get lost.
    async fn watch(&self, changed: &Notify) -> BackendError;
}
