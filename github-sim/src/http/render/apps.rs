//! The simulator's one GitHub App and its installations.

use serde_json::{Value, json};

use super::{accounts, node_id, repos, time};
use crate::http::call::Urls;
use crate::world::app::{Installation, MadeToken};
use crate::world::{World, tokens};

/// Schema `integration`.
pub(crate) fn app(world: &World, urls: &Urls) -> Value {
    let (app, owner) = (&world.app, world.account(tokens::DEFAULT_USER));
    let made = owner.map(|owner| time(owner.created_at));
    json!({
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("Integration", app.id),
        "client_id": app.client_id,
        "owner": owner.map(|owner| accounts::simple(owner, urls)),
        "name": "Mayfly simulator",
        "description": null,
        "external_url": urls.html,
        "html_url": format!("{}/apps/{}", urls.html, app.slug),
        "created_at": made,
        "updated_at": made,
        "permissions": app.permissions,
        "events": app.events,
        "installations_count": world.installations().len(),
    })
}

/// Schema `installation`.
pub(crate) fn installation(world: &World, installation: &Installation, urls: &Urls) -> Value {
    let account = world.account(installation.account.as_str());
    let (app, id) = (&world.app, installation.id);
    let page = match account {
        Some(org) if org.is_org => {
            format!("{}/organizations/{}/settings/installations/{id}", urls.html, org.login)
        }
        _ => format!("{}/settings/installations/{id}", urls.html),
    };
    let suspended = installation.suspended_at;
    let by = suspended.and_then(|_| world.account(tokens::DEFAULT_USER));
    json!({
        "id": id,
        "client_id": app.client_id,
        "account": account.map(|account| accounts::simple(account, urls)),
        "repository_selection": installation.repositories.as_str(),
        "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", urls.api),
        "repositories_url": format!("{}/installation/repositories", urls.api),
        "html_url": page,
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": account.map(|account| account.id),
        "target_type": account.map(accounts::kind),
        "permissions": installation.permissions,
        "events": app.events,
        "created_at": time(installation.created_at),
        "updated_at": time(installation.updated_at),
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": by.map(|user| accounts::simple(user, urls)),
        "suspended_at": suspended.map(time),
    })
}

/// Schema `installation-token`.
pub(crate) fn token(world: &World, made: &MadeToken, installation: u64, urls: &Urls) -> Value {
    let all = world.installation(installation).map(|known| known.repositories.as_str());
    let selection = if made.repositories.is_some() { Some("selected") } else { all };
    let mut shown = json!({
        "token": made.token,
        "expires_at": time(made.expires_at),
        "permissions": made.permissions,
        "repository_selection": selection,
    });
    if let Some(ids) = &made.repositories {
        let repos = ids.iter().filter_map(|&id| world.repo_by_id(id));
        shown["repositories"] = repos.map(|repo| repos::listed(world, repo, urls)).collect();
    }
    shown
}
