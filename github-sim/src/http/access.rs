//! What each route asks of a token, in one table, and the answer to those that lack it.
//!
//! Sources: GitHub docs, REST, the "Fine-grained access tokens" and scope notes of each endpoint. Invariant: a repository
//! that a token may not see is not found, exactly as one that is not there; one that was renamed is redirected to.

use crate::names::RepoSlug;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::json;

use super::answer::ApiError;
use super::call::{Caller, Prefix};
use super::shared::{Shared, decode};
use crate::world::access::{Grant, Level, Need, Place, Verdict};
use crate::world::tokens::Identity;
use crate::world::{Refusal, World};

/// What a request about one repository, organisation or enterprise needs; `None` where the route asks for nothing.
fn need(method: &Method, route: &str) -> Option<Need> {
    let level = if method == Method::GET { Level::Read } else { Level::Write };
    let (permission, scopes): (&'static str, &'static [&'static str]) = if let Some(rest) =
        route.strip_prefix("/repos/{owner}/{repo}")
    {
        match rest {
            "" => ("metadata", &[]),
            "/installation" => return None,
            rest if rest.starts_with("/contents") || rest.starts_with("/git/") => ("contents", &[]),
            rest if rest.starts_with("/actions/runners") => ("administration", &["repo"]),
            rest if rest.starts_with("/actions/") => ("actions", &[]),
            rest if rest.starts_with("/hooks") && level == Level::Read => (
                "repository_hooks",
                &["admin:repo_hook", "read:repo_hook", "repo", "write:repo_hook"],
            ),
            rest if rest.starts_with("/hooks") => {
                ("repository_hooks", &["admin:repo_hook", "repo", "write:repo_hook"])
            }
            _ => return None,
        }
    } else if let Some(rest) = route.strip_prefix("/orgs/{org}") {
        match rest {
            "" | "/repos" => ("metadata", &[]),
            rest if rest.starts_with("/actions/") => {
                ("organization_self_hosted_runners", &["admin:org", "manage_runners:org"])
            }
            rest if rest.starts_with("/hooks") => ("organization_hooks", &["admin:org_hook"]),
            _ => return None,
        }
    } else if route.starts_with("/enterprises/{enterprise}/") {
        ("enterprise_runners", &["admin:enterprise", "manage_runners:enterprise"])
    } else {
        return None;
    };
    Some(Need { permission, level, scopes })
}

/// The refusal of what the caller may not do, or the redirect from a name that is no more; `None` if the request may go on.
pub(super) fn refusal(
    shared: &Shared,
    route: &str,
    request: &Request,
    caller: Option<&Caller>,
) -> Option<Response> {
    let world = shared.look();
    let (method, uri) = (request.method(), request.uri());
    let mut parts = uri.path().split('/').skip(2).map(decode);
    let mut part = || parts.next().unwrap_or_default();
    let place = if route.starts_with("/repos/{owner}/{repo}") {
        let slug = RepoSlug::parse(&format!("{}/{}", part(), part())).ok()?;
        let Some(repo) = world.repo(&slug) else {
            let repo = world.moved_repo(&slug)?;
            if caller.is_some_and(|caller| !world.sees(&caller.token, repo)) {
                return Some(ApiError::not_found().into_response());
            }
            let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
            let prefix = request.extensions().get::<Prefix>().copied().unwrap_or_default();
            let api = format!("{}{}", shared.base_url(host), prefix.0);
            return Some(moved(&api, repo.id, method, uri));
        };
        Place::Repo(repo)
    } else if route.starts_with("/orgs/{org}") {
        Place::Org(&world.org(&part())?.login)
    } else {
        Place::Enterprise
    };
    let (caller, need) = (caller?, need(method, route)?);
    match world.judge(&caller.token, place, need) {
        Verdict::Allowed => None,
        Verdict::Hidden => Some(ApiError::not_found().into_response()),
        Verdict::Forbidden => Some(forbidden(&world, caller, place).into_response()),
    }
}

fn forbidden(world: &World, caller: &Caller, place: Place<'_>) -> ApiError {
    let message = match (caller.identity, world.tokens.grant(&caller.token), place) {
        (Identity::Installation(_), ..) => "Resource not accessible by integration",
        (_, Grant::Classic(_), Place::Repo(_)) => "Must have admin rights to Repository.",
        (_, Grant::Classic(_), Place::Org(_)) => "Must have admin rights to Organization.",
        (_, Grant::Classic(_), Place::Enterprise) => "Must be an enterprise administrator.",
        _ => "Resource not accessible by personal access token",
    };
    ApiError::new(StatusCode::FORBIDDEN, message)
}

/// GitHub's redirect of a repository that was renamed or transferred: 301 for reading, 307 for the rest.
fn moved(api: &str, id: u64, method: &Method, uri: &Uri) -> Response {
    let below: String =
        uri.path().split('/').skip(4).fold(String::new(), |text, part| format!("{text}/{part}"));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{api}/repositories/{id}{below}{query}");
    let (status, message) = if method == Method::GET {
        (StatusCode::MOVED_PERMANENTLY, "Moved Permanently")
    } else {
        (StatusCode::TEMPORARY_REDIRECT, "Temporary Redirect")
    };
    let docs = "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects";
    let body = json!({"message": message, "url": target, "documentation_url": docs});
    (status, [(header::LOCATION, target)], axum::Json(body)).into_response()
}

/// Tells a token's holder what it may do and what the route asks for.
pub(super) fn add_headers(
    world: &World,
    route: &str,
    method: &Method,
    caller: &Caller,
    headers: &mut HeaderMap,
) {
    let need = need(method, route);
    let mut put = |name: &'static str, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    match (caller.identity, world.tokens.grant(&caller.token)) {
        (Identity::User, Grant::Everything) => {}
        (Identity::User, Grant::Classic(scopes)) => {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            put("x-oauth-scopes", &scopes.join(", "));
            let accepted = need.map(|need| need.scopes.join(", ")).unwrap_or_default();
            put("x-accepted-oauth-scopes", &accepted);
        }
        (Identity::User, Grant::FineGrained { .. }) | (Identity::Installation(_), _) => {
            if let Some(need) = need {
                let accepted = format!("{}={}", need.permission, need.level.as_str());
                put("x-accepted-github-permissions", &accepted);
            }
        }
    }
}

/// The token of a request, if it carries one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = ["bearer", "token"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    known.then(|| token.trim())
}

/// The caller behind a user's or an installation's token.
pub(crate) fn caller(world: &World, token: Option<&str>) -> Result<Caller, ApiError> {
    let none = || ApiError::new(StatusCode::UNAUTHORIZED, "Requires authentication");
    let token = token.ok_or_else(none)?;
    match world.tokens.identify(token, world.now()) {
        Ok(identity) => Ok(Caller { token: token.to_owned(), identity }),
        Err(Refusal::Unauthorized(_)) => Err(ApiError::bad_credentials()),
        Err(refusal) => Err(refusal.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_that_is_about_a_place_has_its_need() {
        let cases = [
            ("GET", "/repos/{owner}/{repo}", Some("metadata=read")),
            ("GET", "/repos/{owner}/{repo}/contents/{path}", Some("contents=read")),
            ("GET", "/repos/{owner}/{repo}/actions/runs", Some("actions=read")),
            ("GET", "/repos/{owner}/{repo}/actions/runners", Some("administration=read")),
            (
                "POST",
                "/repos/{owner}/{repo}/actions/runners/generate-jitconfig",
                Some("administration=write"),
            ),
            ("DELETE", "/repos/{owner}/{repo}/hooks/{hook_id}", Some("repository_hooks=write")),
            ("GET", "/orgs/{org}/repos", Some("metadata=read")),
            (
                "DELETE",
                "/orgs/{org}/actions/runners/{runner_id}",
                Some("organization_self_hosted_runners=write"),
            ),
            ("GET", "/orgs/{org}/hooks", Some("organization_hooks=read")),
            ("GET", "/orgs/{org}/installation", None),
            ("GET", "/user", None),
        ];
        for (method, route, expected) in cases {
            let found = need(&method.parse().unwrap(), route);
            let found = found.map(|need| format!("{}={}", need.permission, need.level.as_str()));
            assert_eq!(found.as_deref(), expected, "{method} {route}");
        }
    }
}
