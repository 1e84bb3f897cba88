//! What runners print.

use async_trait::async_trait;
use mayfly_common::name::RunnerName;

use crate::BackendError;

/// Reads what runners print.
#[async_trait]
pub trait Console: Send + Sync {
    /// The last `lines` lines that a runner of ours printed; `None` if there is no such runner.
    async fn logs(&self, name: &RunnerName, lines: u32) -> Result<Option<String>, BackendError>;
}
