//! The check of the credential when the service starts: what `mayfly doctor github` prints, in the log.
//!
//! Invariant: it tells and decides nothing; passes do not wait for it.

use std::sync::Arc;

use mayfly_common::telemetry::START;
use tracing::{error, info, warn};

use crate::config::GitHubConfig;
use crate::github::GitHubClient;
use crate::github::checkup::{Level, Wanted};
use crate::store::Store;

/// Checks the credential once and logs what is found. Hooks are looked after where one has told us something.
pub(crate) async fn tell(github: Arc<GitHubClient>, config: GitHubConfig, store: Store) {
    let hooks = store.hooks().await.is_ok_and(|hooks| !hooks.is_empty());
    for finding in github.checkup(&Wanted::of(&config, hooks)).await {
        let hint = finding.hint.map(|hint| format!(" → {hint}")).unwrap_or_default();
        let what = format!("credential check: {}{hint}", finding.what);
        match finding.level {
            Level::Ok => info!(category = START, "{what}"),
            Level::Warning => warn!(category = START, "{what}"),
            Level::Failure => error!(category = START, "{what}"),
        }
    }
}
