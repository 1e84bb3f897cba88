//! The images that machines are made from.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::BackendError;

/// Keeps images beside the machines.
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// The id of an image, which changes with its content; `None` if it is not there.
    async fn image_id(&self, image: &str) -> Result<Option<String>, BackendError>;

    /// Fetches an image, and says how far it is. May take minutes.
    async fn pull_image(&self, image: &str, progress: &Progress) -> Result<(), BackendError>;
}

/// How far a pull is, in bytes. Those who look never wait.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    size: AtomicU64,
}

impl Progress {
    /// So much is here of so much.
    pub fn set(&self, done: u64, size: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
    }

    /// How much is here, and how much there is in all as far as is known yet; none before anything is known.
    pub fn get(&self) -> Option<(u64, u64)> {
        let (done, size) = (self.done.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed));
        (size > 0).then_some((done.min(size), size))
    }
}
