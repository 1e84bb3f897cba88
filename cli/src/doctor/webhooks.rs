//! What became of the last webhooks, as far as the credential can see.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::repository::{Depth, Repository};
use mayfly_common::scope::RepoSlug;
use mayfly_github::budget::Priority;
use mayfly_github::checkup::Finding;
use mayfly_github::hooks::{EVENTS, Hook, HookDelivery, HookPlace, HookUrl, KnownHook};
use mayfly_github::{DiscoveryMode, GitHubClient, GitHubError};
use mayfly_planner::filter::{Filter, RepoFacts};
use mayfly_settings::GitHubConfig;

use super::finding::{note, ok, warning};

/// How far back deliveries are read.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Most repositories whose hooks are looked at where none is named.
const MOST: usize = 10;
/// What the URL of a hook for the gateway ends in.
const PATH: &str = "/webhooks/github";
/// What is sent of it finds jobs at once.
const JOBS: &str = "workflow_job";

/// What is said where webhooks are not used.
pub(super) fn unused() -> Finding {
    note(
        "webhooks are not used (neither WEBHOOK_SECRET nor MAYFLY_WEBHOOK_URL is set): jobs are found by asking",
    )
}

/// Looks at the hooks that send to `url`, or to any gateway.
pub(super) async fn check(
    client: &GitHubClient,
    config: &GitHubConfig,
    repo: Option<&RepoSlug>,
    url: Option<&HookUrl>,
) -> Vec<Finding> {
    let places = match places(client.is_app(), &config.discovery, repo) {
        Some(place) => vec![place],
        None => match served(client, &config.filter).await {
            Ok(places) => places,
            Err(error) => return vec![unseen("the repositories that are served", &error)],
        },
    };
    let mut found = Vec::new();
    let looks = places.iter().map(|place| at(client, place, url));
    for (place, outcome) in places.iter().zip(futures::future::join_all(looks).await) {
        match outcome {
            Ok(hooks) => {
                found.extend(hooks.iter().flat_map(|(hook, last)| judge(place, hook, last)))
            }
            // Many repositories are looked at to find some: one that shows nothing is no news.
            Err(GitHubError::NotFound) if places.len() > 1 || *place == HookPlace::App => {}
            Err(error) => found.push(unseen(&place.to_string(), &error)),
        }
    }
    if found.is_empty() {
        found.push(none(&places, url));
    }
    found
}

/// The one place whose hooks are to be looked at; none where repositories have to be found first.
fn places(is_app: bool, mode: &DiscoveryMode, repo: Option<&RepoSlug>) -> Option<HookPlace> {
    match (repo, mode) {
        (Some(repo), _) => Some(HookPlace::Repo(repo.clone())),
        (None, _) if is_app => Some(HookPlace::App),
        (None, DiscoveryMode::Organization(org)) => Some(HookPlace::Org(org.clone())),
        (None, DiscoveryMode::All) => None,
    }
}

/// Repositories that are served, those that were pushed to last first.
async fn served(client: &GitHubClient, filter: &Filter) -> Result<Vec<HookPlace>, GitHubError> {
    let mode = DiscoveryMode::All;
    let listed = client.repositories(&mode, Depth::Recent, Priority::Upkeep, |_| true).await?;
    let admitted = |found: &Repository| {
        let facts = RepoFacts {
            slug: &found.slug,
            private: found.private,
            fork: found.fork,
            archived: found.archived,
            disabled: found.disabled,
        };
        filter.admits(&facts).is_ok()
    };
    let mut some: Vec<Repository> = listed.repositories.into_iter().filter(admitted).collect();
    some.sort_by(|a, b| b.pushed_at.cmp(&a.pushed_at));
    some.truncate(MOST);
    match (some.is_empty(), listed.problems.into_iter().next()) {
        (true, Some((_, error))) => Err(error),
        _ => Ok(some.into_iter().map(|found| HookPlace::Repo(found.slug)).collect()),
    }
}

/// The hooks of `place` that are ours, each with the newest of a day's deliveries.
async fn at(
    client: &GitHubClient,
    place: &HookPlace,
    url: Option<&HookUrl>,
) -> Result<Vec<(Hook, Last)>, GitHubError> {
    let mut hooks = client.hooks(place).await?;
    hooks.retain(|hook| ours(hook, url));
    let since = client.now().saturating_sub(DAY).unwrap_or(Timestamp::MIN);
    let mut seen = Vec::new();
    for hook in hooks {
        let known = KnownHook { id: hook.id.unwrap_or_default(), place: place.clone() };
        let mut list = client.deliveries(&known, since, Priority::Upkeep).await?.list;
        list.retain(|one| one.delivered_at >= since);
        let failed = list.iter().filter(|one| !one.succeeded()).count();
        let count = list.len();
        seen.push((hook, Last { newest: list.into_iter().next(), count, failed }));
    }
    Ok(seen)
}

/// A day's deliveries.
#[derive(Debug, Clone, Default)]
struct Last {
    newest: Option<HookDelivery>,
    count: usize,
    failed: usize,
}

fn ours(hook: &Hook, url: Option<&HookUrl>) -> bool {
    let Some(there) = hook.config.url.as_deref() else { return false };
    match url {
        Some(url) => url.is(there),
        None => there.parse::<HookUrl>().is_ok_and(|there| there.path().ends_with(PATH)),
    }
}

fn judge(place: &HookPlace, hook: &Hook, last: &Last) -> Vec<Finding> {
    let id = hook.id.map(|id| format!(" {id}")).unwrap_or_default();
    let name = format!("{place}: webhook{id}");
    let more = match place {
        HookPlace::Repo(slug) => format!("mayfly webhook status --repo {slug}"),
        HookPlace::Org(login) => format!("mayfly webhook status --org {login}"),
        HookPlace::App => "mayfly webhook status --app".to_owned(),
    };
    let again = more.replace("status", "install");
    let mut found = vec![deliveries(&name, last, &more)];
    if hook.active == Some(false) {
        found.push(warning(
            format!("{name} is switched off"),
            format!("switch it on at GitHub, or make it anew: {again}"),
        ));
    }
    if !hook.config.has_secret {
        let what = format!("{name} has no secret, so the gateway refuses what it sends");
        found.push(warning(what, format!("make it anew: {again}")));
    }
    let missing = hook.missing(&EVENTS);
    if missing.contains(&JOBS) {
        found.push(warning(
            format!("{name} does not send {}: jobs are found by asking only", missing.join(", ")),
            format!("make it anew: {again}"),
        ));
    } else if !missing.is_empty() {
        found.push(note(format!(
            "{name} does not send {}; asking finds what they would tell",
            missing.join(", ")
        )));
    }
    found
}

fn deliveries(name: &str, last: &Last, more: &str) -> Finding {
    let Some(newest) = &last.newest else {
        return note(format!("{name} delivered nothing in a day, or GitHub forgot it"));
    };
    let at = newest.delivered_at.strftime("%Y-%m-%d %H:%M UTC");
    let what = format!(
        "{name}: its last delivery ({}, {at}) was answered {} {}; {} of {} in a day failed",
        newest.event, newest.status_code, newest.status, last.failed, last.count
    );
    if newest.succeeded() {
        ok(what)
    } else {
        warning(what, format!("{more} tells what that means; jobs are found by asking meanwhile"))
    }
}

fn none(places: &[HookPlace], url: Option<&HookUrl>) -> Finding {
    let there = match url {
        Some(url) => format!("that sends to {url}"),
        None => format!("that sends to a gateway (…{PATH})"),
    };
    let at = match places {
        [] => "no repository is served, so".to_owned(),
        [one] => format!("{one}:"),
        many => format!("at the {} repositories pushed to last", many.len()),
    };
    note(format!("{at} the credential sees no webhook {there}; mayfly webhook install makes one"))
}

/// Not being shown hooks does not stop them from being delivered.
fn unseen(place: &str, error: &GitHubError) -> Finding {
    note(format!("what became of webhooks cannot be seen ({place}): {error}"))
}

#[cfg(test)]
mod tests;
