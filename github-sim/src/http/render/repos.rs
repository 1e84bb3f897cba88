//! Repositories.

use serde_json::{Map, Value, json};

use super::{accounts, links, merged, node_id, time};
use crate::http::call::Urls;
use crate::world::World;
use crate::world::model::Repo;

/// The fields of schema `minimal-repository`.
pub(crate) fn minimal(world: &World, repo: &Repo, urls: &Urls) -> Map<String, Value> {
    let owner = world.account(repo.slug.owner().as_str());
    let links = links(
        &format!("{}/repos/{}", urls.api, repo.slug),
        &[
            ("url", ""),
            ("archive_url", "/{archive_format}{/ref}"),
            ("assignees_url", "/assignees{/user}"),
            ("blobs_url", "/git/blobs{/sha}"),
            ("branches_url", "/branches{/branch}"),
            ("collaborators_url", "/collaborators{/collaborator}"),
            ("comments_url", "/comments{/number}"),
            ("commits_url", "/commits{/sha}"),
            ("compare_url", "/compare/{base}...{head}"),
            ("contents_url", "/contents/{+path}"),
            ("contributors_url", "/contributors"),
            ("deployments_url", "/deployments"),
            ("downloads_url", "/downloads"),
            ("events_url", "/events"),
            ("forks_url", "/forks"),
            ("git_commits_url", "/git/commits{/sha}"),
            ("git_refs_url", "/git/refs{/sha}"),
            ("git_tags_url", "/git/tags{/sha}"),
            ("hooks_url", "/hooks"),
            ("issue_comment_url", "/issues/comments{/number}"),
            ("issue_events_url", "/issues/events{/number}"),
            ("issues_url", "/issues{/number}"),
            ("keys_url", "/keys{/key_id}"),
            ("labels_url", "/labels{/name}"),
            ("languages_url", "/languages"),
            ("merges_url", "/merges"),
            ("milestones_url", "/milestones{/number}"),
            ("notifications_url", "/notifications{?since,all,participating}"),
            ("pulls_url", "/pulls{/number}"),
            ("releases_url", "/releases{/id}"),
            ("stargazers_url", "/stargazers"),
            ("statuses_url", "/statuses/{sha}"),
            ("subscribers_url", "/subscribers"),
            ("subscription_url", "/subscription"),
            ("tags_url", "/tags"),
            ("teams_url", "/teams"),
            ("trees_url", "/git/trees{/sha}"),
        ],
    );
    let own = json!({
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.slug.name(),
        "full_name": repo.slug.to_string(),
        "private": repo.private,
        "owner": owner.map(|owner| accounts::simple(owner, urls)),
        "html_url": format!("{}/{}", urls.html, repo.slug),
        "description": null,
        "fork": repo.fork,
    });
    merged(links, own)
}

/// Schema `repository`, as the lists have it; it also satisfies `minimal-repository`.
pub(crate) fn listed(world: &World, repo: &Repo, urls: &Urls) -> Map<String, Value> {
    let html = format!("{}/{}", urls.html, repo.slug);
    let host = urls.html.split_once("://").map_or(urls.html.as_str(), |(_, host)| host);
    let size: usize = repo.files.values().map(String::len).sum();
    let own = json!({
        "clone_url": format!("{html}.git"),
        "git_url": format!("git://{host}/{}.git", repo.slug),
        "ssh_url": format!("git@{host}:{}.git", repo.slug),
        "svn_url": html,
        "mirror_url": null,
        "homepage": null,
        "language": null,
        "license": null,
        "default_branch": repo.default_branch,
        "forks": 0,
        "forks_count": 0,
        "stargazers_count": 0,
        "watchers": 0,
        "watchers_count": 0,
        "open_issues": 0,
        "open_issues_count": 0,
        "size": size / 1024,
        "has_issues": true,
        "has_projects": true,
        "has_wiki": true,
        "has_pages": false,
        "has_downloads": true,
        "has_discussions": false,
        "archived": repo.archived,
        "disabled": repo.disabled,
        "visibility": if repo.private { "private" } else { "public" },
        "is_template": false,
        "topics": [],
        "allow_forking": true,
        "web_commit_signoff_required": false,
        "pushed_at": time(repo.pushed_at),
        "created_at": time(repo.created_at),
        "updated_at": time(repo.updated_at),
        "permissions": {"admin": true, "maintain": true, "push": true, "triage": true, "pull": true},
    });
    merged(minimal(world, repo, urls), own)
}

/// Schema `full-repository`.
pub(crate) fn full(world: &World, repo: &Repo, urls: &Urls) -> Value {
    let mut fields = listed(world, repo, urls);
    let owner = world.account(repo.slug.owner().as_str()).filter(|owner| owner.is_org);
    if let Some(org) = owner {
        fields.insert("organization".to_owned(), Value::Object(accounts::simple(org, urls)));
    }
    Value::Object(merged(fields, json!({"network_count": 0, "subscribers_count": 0})))
}
