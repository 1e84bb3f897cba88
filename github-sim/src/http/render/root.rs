//! `GET /` and `GET /rate_limit`.

use serde_json::{Map, Value, json};

use super::links;
use crate::http::call::Urls;
use crate::world::tokens::Allowance;

/// Schema `root`.
pub(crate) fn root(urls: &Urls) -> Map<String, Value> {
    links(
        &urls.api,
        &[
            ("current_user_url", "/user"),
            (
                "current_user_authorizations_html_url",
                "/settings/connections/applications{/client_id}",
            ),
            ("authorizations_url", "/authorizations"),
            ("code_search_url", "/search/code{?q,page,per_page,sort,order}"),
            ("commit_search_url", "/search/commits{?q,page,per_page,sort,order}"),
            ("emails_url", "/user/emails"),
            ("emojis_url", "/emojis"),
            ("events_url", "/events"),
            ("feeds_url", "/feeds"),
            ("followers_url", "/user/followers"),
            ("following_url", "/user/following{/target}"),
            ("gists_url", "/gists{/gist_id}"),
            ("issue_search_url", "/search/issues{?q,page,per_page,sort,order}"),
            ("issues_url", "/issues"),
            ("keys_url", "/user/keys"),
            ("label_search_url", "/search/labels{?q,repository_id,page,per_page}"),
            ("notifications_url", "/notifications"),
            ("organization_url", "/orgs/{org}"),
            ("organization_repositories_url", "/orgs/{org}/repos{?type,page,per_page,sort}"),
            ("organization_teams_url", "/orgs/{org}/teams"),
            ("public_gists_url", "/gists/public"),
            ("rate_limit_url", "/rate_limit"),
            ("repository_url", "/repos/{owner}/{repo}"),
            ("repository_search_url", "/search/repositories{?q,page,per_page,sort,order}"),
            ("current_user_repositories_url", "/user/repos{?type,page,per_page,sort}"),
            ("starred_url", "/user/starred{/owner}{/repo}"),
            ("starred_gists_url", "/gists/starred"),
            ("topic_search_url", "/search/topics{?q,page,per_page}"),
            ("user_url", "/users/{user}"),
            ("user_organizations_url", "/user/orgs"),
            ("user_repositories_url", "/users/{user}/repos{?type,page,per_page,sort}"),
            ("user_search_url", "/search/users{?q,page,per_page,sort,order}"),
        ],
    )
}

/// Schema `rate-limit-overview`. Only `core` and `graphql` are counted; the other buckets are always full.
pub(crate) fn rate_limit(core: &Allowance, graphql: &Allowance) -> Value {
    let reset = core.reset.as_second();
    let counted = |allowance: &Allowance| {
        json!({
            "limit": allowance.limit,
            "used": allowance.used,
            "remaining": allowance.remaining(),
            "reset": allowance.reset.as_second(),
        })
    };
    let core = counted(core);
    let full = |limit: u64| json!({"limit": limit, "used": 0, "remaining": limit, "reset": reset});
    json!({
        "resources": {
            "core": core,
            "search": full(30),
            "graphql": counted(graphql),
            "actions_runner_registration": full(10_000),
        },
        "rate": core,
    })
}
