//! When rounds are: every ten minutes, over the hooks that have told us something.

use std::sync::Arc;
use std::time::Duration;

use mayfly_common::scope::{Login, RepoSlug};
use mayfly_common::webhook::HookTarget;
use mayfly_service::telemetry::MONITOR;
use tracing::warn;

use super::Redeliverer;
use mayfly_github::GitHubClient;
use mayfly_github::hooks::{HookPlace, KnownHook};
use mayfly_store::{self, Store};

/// Between two rounds.
const EVERY: Duration = Duration::from_mins(10);

/// Has rounds until `shutdown`. The first is after ten minutes: what was not delivered while we were away is found then.
pub async fn run(store: Store, github: Arc<GitHubClient>, shutdown: impl Future<Output = ()>) {
    let redeliverer = Redeliverer::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = &mut shutdown => return,
        }
        let hooks = match store.hooks().await {
            Ok(hooks) => hooks.iter().filter_map(known).collect::<Vec<_>>(),
            Err(error) => {
                warn!(category = MONITOR, "hooks cannot be read from the job ledger: {error}");
                continue;
            }
        };
        let report = redeliverer.round(&github, &hooks).await;
        for problem in report.problems {
            warn!(category = MONITOR, "deliveries cannot be looked at: {problem}");
        }
    }
}

/// None: nobody asks for an enterprise's deliveries, or the place has no name that could be asked for.
fn known(hook: &mayfly_store::KnownHook) -> Option<KnownHook> {
    let name = hook.target_name.as_deref();
    let place = match hook.target {
        HookTarget::Repository => HookPlace::Repo(RepoSlug::parse(name?).ok()?),
        HookTarget::Organization => HookPlace::Org(Login::parse(name?).ok()?),
        HookTarget::Integration => HookPlace::App,
        HookTarget::Business => return None,
    };
    Some(KnownHook { id: hook.id, place })
}

#[cfg(test)]
mod tests {
    use mayfly_common::clock::SystemClock;
    use mayfly_common::webhook::{Content, Delivery, Hook};
    use tokio::sync::oneshot;
    use tokio::time::sleep;

    use super::*;
    use crate::heard::Heard;
    use mayfly_settings::GitHubConfig;

    #[tokio::test(start_paused = true)]
    async fn a_round_is_every_ten_minutes_until_the_service_stops() {
        let (heard, _guard) = Heard::begin();
        let store = Store::in_memory().unwrap();
        let target_name = Some("octo/app".to_owned());
        let hook = Hook { id: 7, target: HookTarget::Repository, target_name };
        let (id, event) = ("a".to_owned(), "ping".to_owned());
        let ping = Delivery { id, event, hook: Some(hook), content: Content::Ping };
        store.record(&ping, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        // Nobody listens there, so that every round has a problem to tell.
        let variables = [("GITHUB_RUNNER_TOKEN", "t"), ("GITHUB_API_URL", "http://127.0.0.1:9")];
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = GitHubConfig::from_variables(owned.into()).unwrap();
        let github = GitHubClient::new(config.client(), Arc::new(SystemClock)).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let rounds = tokio::spawn(run(store, Arc::new(github), async { drop(stopped.await) }));
        let told = || heard.lines("deliveries cannot be looked at: repository octo/app hook 7: ");
        for round in 1..=3 {
            let mut seconds = 0;
            while told().len() < round && seconds < 3_600 {
                sleep(Duration::from_secs(1)).await;
                seconds += 1;
            }
            // A round may try more than once.
            assert!((600..660).contains(&seconds), "round {round} after {seconds} s");
        }
        stop.send(()).unwrap();
        rounds.await.unwrap();
    }

    #[test]
    fn a_hook_is_asked_for_where_it_is_installed() {
        let hook = |target, name: Option<&str>| {
            let target_name = name.map(str::to_owned);
            known(&mayfly_store::KnownHook {
                id: 7,
                target,
                target_name,
                last_seen_at: jiff::Timestamp::UNIX_EPOCH,
            })
        };
        let found = |place| Some(KnownHook { id: 7, place });
        let repo = HookPlace::Repo(RepoSlug::parse("octo/app").unwrap());
        let org = HookPlace::Org(Login::parse("octo").unwrap());
        let rows = [
            (hook(HookTarget::Repository, Some("octo/app")), found(repo)),
            (hook(HookTarget::Repository, Some("octo")), None),
            (hook(HookTarget::Repository, None), None),
            (hook(HookTarget::Organization, Some("octo")), found(org)),
            (hook(HookTarget::Organization, Some("octo/app")), None),
            (hook(HookTarget::Organization, None), None),
            (hook(HookTarget::Integration, None), found(HookPlace::App)),
            (hook(HookTarget::Business, Some("octo")), None),
        ];
        for (found, expected) in rows {
            assert_eq!(found, expected);
        }
    }
}
