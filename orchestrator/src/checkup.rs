//! Checks when the service starts: of what `mayfly doctor` prints, the credential's, and whether runners fit the machine, in the log.
//!
//! Invariant: it tells and decides nothing; passes do not wait for it.

use std::sync::Arc;

use mayfly_common::telemetry::START;
use tracing::{error, info, warn};

use crate::config::{Config, GitHubConfig};
use crate::machine;
use crate::reconcile::handle::Handle;
use mayfly_backend::Backend;
use mayfly_github::GitHubClient;
use mayfly_github::checkup::{Level, Wanted};
use mayfly_store::Store;

/// Warns once, when the engine can be asked, of limits that its machine cannot keep: those of the environment and of every pool.
pub(crate) async fn tell_misfits(backend: Arc<dyn Backend>, handle: Handle, config: Config) {
    handle.first_pass().await;
    let found = match backend.machine().await {
        Ok(found) => found,
        Err(error) => {
            info!(category = START, "whether runners fit the machine is not known: {error}");
            return;
        }
    };
    let pools = handle.book().all();
    let pools = pools.iter().filter(|entry| entry.created_at.is_some());
    let misfits = machine::environment(&found, &config.runner)
        .into_iter()
        .chain(pools.flat_map(|entry| machine::pool(&found, &entry.pool)));
    for misfit in misfits {
        warn!(category = START, "{} → {}", misfit.what, misfit.hint);
    }
}

/// Checks the credential once and logs what is found. Hooks are looked after where one has told us something.
pub(crate) async fn tell(github: Arc<GitHubClient>, config: GitHubConfig, store: Store) {
    let hooks = store.hooks().await.is_ok_and(|hooks| !hooks.is_empty());
    for finding in github.checkup(&Wanted { hooks, ..config.wanted() }).await {
        let hint = finding.hint.map(|hint| format!(" → {hint}")).unwrap_or_default();
        let what = format!("credential check: {}{hint}", finding.what);
        match finding.level {
            Level::Ok => info!(category = START, "{what}"),
            Level::Warning => warn!(category = START, "{what}"),
            Level::Failure => error!(category = START, "{what}"),
        }
    }
}
