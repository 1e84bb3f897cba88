//! `Query` and `RateLimit`.

use crate::names::RepoSlug;
use apollo_compiler::resolvers::{ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonValue;

use super::{Context, Owner, Resolved, Thing, flag, id, leaf, text};
use crate::http::graphql::problem::{Kind, Problem};
use crate::http::render::time;
use crate::world::model::Repo;

impl<'w> Context<'w> {
    pub(super) fn query(&'w self, info: &ResolveInfo<'_>) -> Option<Resolved<'w>> {
        let login = || text(info, "login").unwrap_or_default();
        Some(match info.field_name() {
            "viewer" => self.viewer().map(|viewer| self.resolved(Thing::Account(viewer))),
            "rateLimit" if flag(info, "dryRun") == Some(true) => return None,
            "rateLimit" => Ok(self.resolved(Thing::RateLimit)),
            "repository" => self.named_repository(text(info, "owner").unwrap_or_default(), info),
            "user" => self.owner(login(), "a User", |owner| !owner.is_org()),
            "organization" => self.owner(login(), "an Organization", |owner| owner.is_org()),
            "repositoryOwner" => {
                let found = self.owner_of(login());
                Ok(ResolvedValue::nullable_object(
                    found.map(|owner| self.object(Thing::Account(owner))),
                ))
            }
            "node" => self.node(text(info, "id").unwrap_or_default()),
            "nodes" => return self.nodes(info).map(Ok),
            _ => return None,
        })
    }

    fn owner(&'w self, login: &str, what: &str, fits: impl Fn(&Owner<'w>) -> bool) -> Resolved<'w> {
        let found = self.owner_of(login).filter(fits);
        let message = || format!("Could not resolve to {what} with the login of '{login}'.");
        let found = found.ok_or_else(|| Problem::new(Kind::NotFound, message()))?;
        Ok(self.resolved(Thing::Account(found)))
    }

    /// `repository` of the root and of accounts; a renamed one is found by its old name, unless that is not wanted.
    pub(super) fn named_repository(&'w self, owner: &str, info: &ResolveInfo<'_>) -> Resolved<'w> {
        let full = format!("{owner}/{}", text(info, "name").unwrap_or_default());
        let follow = flag(info, "followRenames").unwrap_or(true);
        let find = || -> Option<&'w Repo> {
            let slug = RepoSlug::parse(&full).ok()?;
            let moved = || self.world.moved_repo(&slug).filter(|_| follow);
            self.world.repo(&slug).or_else(moved).filter(|repo| self.sees(repo))
        };
        let message = || format!("Could not resolve to a Repository with the name '{full}'.");
        let repo = find().ok_or_else(|| Problem::new(Kind::NotFound, message()))?;
        Ok(self.resolved(Thing::Repository(repo)))
    }

    fn node(&'w self, id: &str) -> Resolved<'w> {
        let message = || format!("Could not resolve to a node with the global id of '{id}'");
        let missing = || Problem::new(Kind::NotFound, message());
        let (kind, rest) = id::parse(id).ok_or_else(missing)?;
        let number: u64 = rest.parse().map_err(|_| missing())?;
        match kind.as_str() {
            "Repository" => {
                let repo = self.world.repo_by_id(number).filter(|repo| self.sees(repo));
                Ok(self.resolved(Thing::Repository(repo.ok_or_else(missing)?)))
            }
            "User" | "Organization" => {
                let found = self.world.accounts().find(|account| account.id == number);
                let owner = found.map(Owner::Account).filter(|owner| owner.type_name() == kind);
                Ok(self.resolved(Thing::Account(owner.ok_or_else(missing)?)))
            }
            _ => Err(missing()),
        }
    }

    /// Those that are not found are nulls, each with an error that has its place in the list.
    fn nodes(&'w self, info: &ResolveInfo<'_>) -> Option<ResolvedValue<'w>> {
        let ids = info.arguments().get("ids").and_then(JsonValue::as_array)?;
        let field = info.field_selections().first()?;
        let found = ids.iter().enumerate().map(|(index, id)| {
            self.node(id.as_str().unwrap_or_default()).unwrap_or_else(|problem| {
                let error = problem.of_item(field, index, info.document());
                self.of_items.borrow_mut().push(error);
                ResolvedValue::null()
            })
        });
        Some(ResolvedValue::list(found.collect::<Vec<_>>()))
    }

    pub(super) fn rate_limit(&'w self, info: &ResolveInfo<'_>) -> Option<Resolved<'w>> {
        Some(Ok(match info.field_name() {
            "cost" => leaf(self.cost),
            "limit" => leaf(self.allowance.limit),
            "nodeCount" => leaf(self.nodes),
            "remaining" => leaf(self.allowance.remaining()),
            "resetAt" => leaf(time(self.allowance.reset)),
            "used" => leaf(self.allowance.used),
            _ => return None,
        }))
    }
}
