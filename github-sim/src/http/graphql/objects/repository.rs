//! `Repository` and the one `Ref` it has, its default branch.

use apollo_compiler::resolvers::{ResolveInfo, ResolvedValue};

use super::git::{self, GitObject};
use super::{Context, Resolved, Thing, id, leaf, text};
use crate::http::graphql::problem::{Kind, Problem};
use crate::http::render::time;
use crate::world::model::Repo;

/// What every ref's name starts with that is a branch.
const BRANCHES: &str = "refs/heads/";

impl<'w> Context<'w> {
    pub(super) fn repository(
        &'w self,
        repo: &'w Repo,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        let size = || repo.files.values().map(String::len).sum::<usize>() / 1024;
        Some(Ok(match info.field_name() {
            "id" => leaf(id::of("Repository", &repo.id.to_string())),
            "databaseId" => leaf(repo.id),
            "name" => leaf(repo.slug.name()),
            "nameWithOwner" => leaf(repo.slug.to_string()),
            "owner" => {
                let owner = self.owner_of(repo.slug.owner().as_str());
                ResolvedValue::nullable_object(
                    owner.map(|owner| self.object(Thing::Account(owner))),
                )
            }
            "description" | "homepageUrl" | "mirrorUrl" | "primaryLanguage" | "licenseInfo" => {
                ResolvedValue::null()
            }
            "url" => leaf(format!("{}/{}", self.urls.html, repo.slug)),
            "resourcePath" => leaf(format!("/{}", repo.slug)),
            "createdAt" => leaf(time(repo.created_at)),
            "updatedAt" => leaf(time(repo.updated_at)),
            "pushedAt" => leaf(time(repo.pushed_at)),
            "isArchived" => leaf(repo.archived),
            "isDisabled" => leaf(repo.disabled),
            "isEmpty" => leaf(repo.files.is_empty()),
            "isFork" => leaf(repo.fork),
            "isPrivate" => leaf(repo.private),
            "isInOrganization" => leaf(self.world.org(repo.slug.owner().as_str()).is_some()),
            "isLocked" | "isMirror" | "isTemplate" => leaf(false),
            "visibility" => leaf(if repo.private { "PRIVATE" } else { "PUBLIC" }),
            "diskUsage" => leaf(size()),
            "defaultBranchRef" => return Some(self.default_branch(repo)),
            "ref" => return Some(self.named_branch(repo, text(info, "qualifiedName"))),
            "object" => {
                return Some(self.object_of(repo, text(info, "expression"), text(info, "oid")));
            }
            _ => return None,
        }))
    }

    fn default_branch(&'w self, repo: &'w Repo) -> Resolved<'w> {
        self.may_read(repo)?;
        let there = (!repo.files.is_empty()).then(|| self.object(Thing::Ref(repo)));
        Ok(ResolvedValue::nullable_object(there))
    }

    fn named_branch(&'w self, repo: &'w Repo, name: Option<&str>) -> Resolved<'w> {
        let name = name.unwrap_or_default();
        let short = name.strip_prefix(BRANCHES).or_else(|| name.strip_prefix("heads/"));
        let is_default = short.unwrap_or(name) == repo.default_branch;
        if is_default { self.default_branch(repo) } else { Ok(ResolvedValue::null()) }
    }

    /// What is not there is a null without an error.
    fn object_of(
        &'w self,
        repo: &'w Repo,
        expression: Option<&str>,
        oid: Option<&str>,
    ) -> Resolved<'w> {
        self.may_read(repo)?;
        let found = match (oid, expression) {
            (Some(oid), _) if !git::is_oid(oid) => {
                let message = format!("'{oid}' is not a git object id");
                return Err(Problem::new(Kind::ArgumentError, message));
            }
            (Some(oid), _) => self.by_oid(repo, oid),
            (None, Some(expression)) => self.by_expression(repo, expression),
            (None, None) => {
                let message = "Either `oid` or `expression` is needed to find an object";
                return Err(Problem::new(Kind::ArgumentError, message));
            }
        };
        let found = found.map(|found| self.object(Thing::Git(repo, found)));
        Ok(ResolvedValue::nullable_object(found))
    }

    pub(super) fn branch(&'w self, repo: &'w Repo, info: &ResolveInfo<'_>) -> Option<Resolved<'w>> {
        let name = &repo.default_branch;
        Some(Ok(match info.field_name() {
            "id" => leaf(id::of("Ref", &format!("{}:{BRANCHES}{name}", repo.id))),
            "name" => leaf(name.as_str()),
            "prefix" => leaf(BRANCHES),
            "repository" => self.resolved(Thing::Repository(repo)),
            "target" => self.resolved(Thing::Git(repo, GitObject::Commit)),
            _ => return None,
        }))
    }
}
