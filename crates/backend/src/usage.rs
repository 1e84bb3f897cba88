//! What the host of the machines has, and what is stored on it.

use async_trait::async_trait;

use crate::BackendError;

/// Measures the host of the machines.
#[async_trait]
pub trait Usage: Send + Sync {
    /// What the host has for all machines together.
    async fn host_resources(&self) -> Result<HostResources, BackendError>;

    /// How much is stored. May take minutes.
    async fn storage(&self) -> Result<Storage, BackendError>;
}

/// What a host has for all machines together; none where it does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostResources {
    /// Memory, in bytes.
    pub memory: Option<i64>,
    /// Processors, in billionths of one.
    pub nano_cpus: Option<i64>,
}

/// How much a backend stores, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Storage {
    /// What our runners wrote into their machines.
    pub containers: u64,
    /// All images on the host, layers that they share counted once.
    pub images: u64,
    /// All volumes on the host, as far as their drivers tell.
    pub volumes: u64,
}
