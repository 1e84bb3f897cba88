//! Users and organisations.

use serde_json::{Map, Value, json};

use super::{links, merged, node_id, time};
use crate::http::call::Urls;
use crate::world::World;
use crate::world::model::Account;

/// Schema `simple-user`; organisations have the same shape.
pub(crate) fn simple(account: &Account, urls: &Urls) -> Map<String, Value> {
    let login = account.login.as_str();
    let base = format!("{}/users/{login}", urls.api);
    let links = links(
        &base,
        &[
            ("url", ""),
            ("followers_url", "/followers"),
            ("following_url", "/following{/other_user}"),
            ("gists_url", "/gists{/gist_id}"),
            ("starred_url", "/starred{/owner}{/repo}"),
            ("subscriptions_url", "/subscriptions"),
            ("organizations_url", "/orgs"),
            ("repos_url", "/repos"),
            ("events_url", "/events{/privacy}"),
            ("received_events_url", "/received_events"),
        ],
    );
    let own = json!({
        "login": login,
        "id": account.id,
        "node_id": node_id(kind(account), account.id),
        "avatar_url": format!("{}/avatars/u/{}", urls.html, account.id),
        "gravatar_id": "",
        "html_url": format!("{}/{login}", urls.html),
        "type": kind(account),
        "site_admin": false,
    });
    merged(links, own)
}

pub(crate) fn kind(account: &Account) -> &'static str {
    if account.is_org { "Organization" } else { "User" }
}

/// Schema `private-user`: what a user sees of themselves.
pub(crate) fn private(world: &World, account: &Account, urls: &Urls) -> Value {
    let owned = |private: bool| {
        let own = |slug: &crate::names::RepoSlug| slug.owner() == &account.login;
        world.repos().filter(|repo| own(&repo.slug) && repo.private == private).count()
    };
    let own = json!({
        "user_view_type": "private",
        "name": account.login.as_str(),
        "company": null,
        "blog": "",
        "location": null,
        "email": null,
        "hireable": null,
        "bio": null,
        "public_repos": owned(false),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": time(account.created_at),
        "updated_at": time(account.created_at),
        "private_gists": 0,
        "total_private_repos": owned(true),
        "owned_private_repos": owned(true),
        "disk_usage": 0,
        "collaborators": 0,
        "two_factor_authentication": true,
    });
    Value::Object(merged(simple(account, urls), own))
}

/// Schema `organization-full`.
pub(crate) fn organization(world: &World, org: &Account, urls: &Urls) -> Value {
    let login = org.login.as_str();
    let links = links(
        &format!("{}/orgs/{login}", urls.api),
        &[
            ("url", ""),
            ("repos_url", "/repos"),
            ("events_url", "/events"),
            ("hooks_url", "/hooks"),
            ("issues_url", "/issues"),
            ("members_url", "/members{/member}"),
            ("public_members_url", "/public_members{/member}"),
        ],
    );
    let owned = world.repos().filter(|repo| repo.slug.owner() == &org.login && !repo.private);
    let own = json!({
        "login": login,
        "id": org.id,
        "node_id": node_id("Organization", org.id),
        "avatar_url": format!("{}/avatars/u/{}", urls.html, org.id),
        "description": null,
        "html_url": format!("{}/{login}", urls.html),
        "has_organization_projects": true,
        "has_repository_projects": true,
        "public_repos": owned.count(),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "type": "Organization",
        "created_at": time(org.created_at),
        "updated_at": time(org.created_at),
        "archived_at": null,
    });
    Value::Object(merged(links, own))
}
