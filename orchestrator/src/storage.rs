//! Now and then a look at what is stored, for the metrics. Apart from the passes: the engine may measure for minutes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::metrics::Metrics;
use mayfly_backend::Backend;

/// How long from one look to the next.
const INTERVAL: Duration = Duration::from_mins(5);
/// A look that takes long keeps the disks busy: the next one comes after this many times as long, if that is later.
const REST: u32 = 20;

/// Looks again and again, for ever. That the engine does not tell is said once for as long as it lasts.
pub async fn run(backend: Arc<dyn Backend>, database: Option<PathBuf>, metrics: Arc<Metrics>) {
    let mut told = false;
    loop {
        let began = Instant::now();
        let seen = look(&*backend, database.as_ref(), &metrics).await;
        if let (Err(why), false) = (&seen, told) {
            info!("how much Docker stores cannot be shown: {why}");
        }
        told = seen.is_err();
        tokio::time::sleep(INTERVAL.max(began.elapsed().saturating_mul(REST))).await;
    }
}

/// One look.
///
/// Errors: the engine did not tell, in words; its numbers are then not shown at all, rather than old ones.
pub async fn look(
    backend: &dyn Backend,
    database: Option<&PathBuf>,
    metrics: &Metrics,
) -> Result<(), String> {
    let stored = backend.storage().await;
    let ledger = match database {
        Some(path) => Some(size(path).await),
        None => None,
    };
    metrics.stored(stored.as_ref().ok(), ledger);
    stored.map(drop).map_err(|error| error.to_string())
}

/// The ledger's file, and what `SQLite` keeps beside it until it is written there.
async fn size(path: &PathBuf) -> u64 {
    let mut beside = path.clone().into_os_string();
    beside.push("-wal");
    let mut bytes = 0;
    for file in [path, &PathBuf::from(beside)] {
        bytes += tokio::fs::metadata(file).await.map_or(0, |found| found.len());
    }
    bytes
}
