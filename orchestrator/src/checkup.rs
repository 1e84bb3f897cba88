//! Checks when the service starts: of what `mayfly doctor` prints, the credential's, and whether runners fit the machine, in the log.
//!
//! Invariant: it tells and decides nothing; passes do not wait for it.

use std::sync::Arc;

use mayfly_service::telemetry::START;
use tracing::{error, info, warn};

use crate::reconcile::handle::Handle;
use mayfly_backend::Backend;
use mayfly_github::GitHubClient;
use mayfly_github::checkup::{Level, Wanted};
use mayfly_settings::host;
use mayfly_settings::{Config, GitHubConfig};
use mayfly_store::Store;

/// Warns once, when the engine can be asked, of limits that its machine cannot keep: those of the environment and of every pool.
pub(crate) async fn tell_misfits(backend: Arc<dyn Backend>, handle: Handle, config: Config) {
    handle.first_pass().await;
    let Some(usage) = backend.usage() else { return };
    let found = match usage.host_resources().await {
        Ok(found) => found,
        Err(error) => {
            info!(category = START, "whether runners fit the machine is not known: {error}");
            return;
        }
    };
    let pools = handle.book().all();
    let pools = pools.iter().filter(|entry| entry.created_at.is_some());
    let misfits = host::environment(&found, &config.runner)
        .into_iter()
        .chain(pools.flat_map(|entry| host::pool(&found, &entry.pool)));
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

#[cfg(test)]
mod tests {
    use github_sim::world::access::Grant;
    use github_sim::world::tokens::{Allowance, Resource, UserToken};
    use github_sim::{Sim, SimConfig};
    use jiff::SignedDuration;
    use mayfly_common::clock::SystemClock;
    use mayfly_common::webhook::{Content, Delivery, Hook, HookTarget};

    use super::*;
    use crate::heard::Heard;

    const TOKEN: &str = "ghp_topsecret0123456789topsecret0123456789";

    /// What is logged about a classic token with this scope, line by line.
    async fn logged(scope: &str, used: u64, store: &Store) -> Vec<String> {
        let (heard, _guard) = Heard::begin();
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        sim.with(|world| {
            world.add_user("octo-admin").unwrap();
            let grant = Grant::Classic([scope.to_owned()].into());
            world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() });
            let reset = world.now() + SignedDuration::from_mins(30);
            let allowance = Allowance { limit: 5_000, used, reset };
            world.tokens.set_allowance(TOKEN, Resource::Core, allowance);
        });
        let variables = [("GITHUB_RUNNER_TOKEN", TOKEN), ("GITHUB_API_URL", &*sim.url())];
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = GitHubConfig::from_variables(owned.into()).unwrap();
        let github = GitHubClient::new(config.client(), Arc::new(SystemClock)).unwrap();
        tell(Arc::new(github), config, store.clone()).await;
        heard.lines("credential check: ")
    }

    fn has(lines: &[String], level: &str, words: &str) -> bool {
        lines.iter().any(|line| line.contains(level) && line.contains(words))
    }

    #[tokio::test]
    async fn each_finding_is_logged_by_how_bad_it_is_with_what_to_do() {
        let store = Store::in_memory().unwrap();
        let good = logged("repo", 0, &store).await;
        assert!(good.iter().all(|line| line.contains("START")), "{good:#?}");
        let bad = logged("gist", 0, &store).await;
        assert!(has(&bad, "ERROR", "it lacks the scope repo → tick repo in"), "{bad:#?}");
        let little = logged("repo", 4_950, &store).await;
        assert!(has(&little, "WARNING", "requests left"), "{little:#?}");
    }

    #[tokio::test]
    async fn hooks_are_looked_after_where_one_has_told_us_something() {
        let store = Store::in_memory().unwrap();
        let about_hooks = |lines: &[String]| lines.iter().any(|line| line.contains("hook"));
        assert!(!about_hooks(&logged("repo", 0, &store).await));
        let hook = Hook {
            id: 7,
            target: HookTarget::Repository,
            target_name: Some("octo-admin/app".to_owned()),
        };
        let delivery = Delivery {
            id: "a".to_owned(),
            event: "ping".to_owned(),
            hook: Some(hook),
            content: Content::Ping,
        };
        store.record(&delivery, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        let lines = logged("gist", 0, &store).await;
        assert!(about_hooks(&lines), "{lines:#?}");
    }
}
