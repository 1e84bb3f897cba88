//! The simulator's one GitHub App and its installations.

use serde_json::{Value, json};

use super::{accounts, node_id, time};
use crate::http::call::Urls;
use crate::world::model::Installation;
use crate::world::{APP_ID, World, tokens};

fn permissions() -> Value {
    json!({
        "actions": "read",
        "administration": "write",
        "contents": "read",
        "metadata": "read",
        "organization_self_hosted_runners": "write",
    })
}

/// Schema `integration`.
pub(crate) fn app(world: &World, urls: &Urls) -> Value {
    let owner = world.account(tokens::DEFAULT_USER);
    let made = owner.map(|owner| time(owner.created_at));
    json!({
        "id": APP_ID,
        "slug": "mayfly-sim",
        "node_id": node_id("Integration", APP_ID),
        "client_id": "Iv1.0000000000000001",
        "owner": owner.map(|owner| accounts::simple(owner, urls)),
        "name": "Mayfly simulator",
        "description": null,
        "external_url": urls.html,
        "html_url": format!("{}/apps/mayfly-sim", urls.html),
        "created_at": made,
        "updated_at": made,
        "permissions": permissions(),
        "events": ["workflow_job"],
        "installations_count": world.installations().len(),
    })
}

/// Schema `installation`.
pub(crate) fn installation(world: &World, installation: &Installation, urls: &Urls) -> Value {
    let account = world.account(installation.account.as_str());
    let id = installation.id;
    let page = match account {
        Some(org) if org.is_org => {
            format!("{}/organizations/{}/settings/installations/{id}", urls.html, org.login)
        }
        _ => format!("{}/settings/installations/{id}", urls.html),
    };
    json!({
        "id": id,
        "client_id": "Iv1.0000000000000001",
        "account": account.map(|account| accounts::simple(account, urls)),
        "repository_selection": "all",
        "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", urls.api),
        "repositories_url": format!("{}/installation/repositories", urls.api),
        "html_url": page,
        "app_id": APP_ID,
        "app_slug": "mayfly-sim",
        "target_id": account.map(|account| account.id),
        "target_type": account.map(accounts::kind),
        "permissions": permissions(),
        "events": ["workflow_job"],
        "created_at": time(installation.created_at),
        "updated_at": time(installation.created_at),
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": null,
        "suspended_at": null,
    })
}

/// Schema `installation-token`.
pub(crate) fn token(token: &str, expires: jiff::Timestamp) -> Value {
    json!({
        "token": token,
        "expires_at": time(expires),
        "permissions": permissions(),
        "repository_selection": "all",
    })
}
