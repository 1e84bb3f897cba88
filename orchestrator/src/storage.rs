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
            let title = backend.capabilities().title;
            info!("how much {title} stores cannot be shown: {why}");
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
    let stored = match backend.usage() {
        Some(usage) => usage.storage().await.map_err(|error| error.to_string()),
        None => Err("the backend does not tell".to_owned()),
    };
    let ledger = match database {
        Some(path) => Some(size(path).await),
        None => None,
    };
    metrics.stored(stored.as_ref().ok(), ledger);
    stored.map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heard::Heard;
    use mayfly_backend::fake::FakeBackend;
    use mayfly_github::Traffic;

    fn is_shown(metrics: &Metrics) -> bool {
        metrics.render().contains("mayfly_storage_bytes{kind=\"images\"} 2000")
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_comes_every_five_minutes_and_later_after_one_that_took_long() {
        let (heard, _guard) = Heard::begin();
        let backend = Arc::new(FakeBackend::new());
        let metrics = Arc::new(Metrics::new(&Traffic::default()));
        let looking =
            tokio::spawn(run(Arc::<FakeBackend>::clone(&backend), None, Arc::clone(&metrics)));
        let wait = async |seconds: u64, millis: u64| {
            let span = Duration::from_secs(seconds) + Duration::from_millis(millis);
            tokio::time::sleep(span).await;
            is_shown(&metrics)
        };
        assert!(wait(0, 500).await, "at once");
        backend.state().away = true;
        assert!(wait(299, 0).await, "looked at 0 s");
        assert!(!wait(1, 0).await, "and at 300 s");
        let told = || heard.lines("how much The fake stores cannot be shown: ").len();
        assert_eq!(told(), 1);
        assert!(!wait(300, 0).await);
        assert_eq!(told(), 1, "once for as long as it lasts");
        // The look at 900 s takes 60 s, so the next is 1200 s later.
        (backend.state().away, backend.state().frozen) = (false, true);
        assert!(!wait(300, 0).await);
        assert!(!wait(59, 500).await);
        backend.answer();
        assert!(wait(0, 500).await);
        (backend.state().away, backend.state().frozen) = (true, false);
        assert!(wait(1_199, 0).await);
        assert!(!wait(1, 0).await);
        assert_eq!(told(), 2, "it is news again");
        looking.abort();
    }

    #[tokio::test]
    async fn what_sqlite_keeps_beside_the_file_counts_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("mayfly-size-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("mayfly.db");
        assert_eq!(size(&path).await, 0, "not made yet");
        for (name, bytes) in [("mayfly.db", 4_096), ("mayfly.db-wal", 512), ("mayfly.db-x", 64)] {
            std::fs::write(folder.join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(size(&path).await, 4_608);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
