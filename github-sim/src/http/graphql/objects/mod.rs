//! GitHub's objects as far as they are simulated: each is a view of the world, and resolves its fields one by one.
//!
//! | module | objects |
//! |---|---|
//! | `root` | `Query`, `RateLimit` |
//! | `account` | `User`, `Organization` |
//! | `repository` | `Repository`, `Ref` |
//! | `page` | `RepositoryConnection`, `RepositoryEdge`, `PageInfo` |
//! | `git` | `Commit`, `Tree`, `TreeEntry`, `Blob` |
//! | `id` | global node ids |
//!
//! Invariants: what a token does not see is not found, as in REST; a field that is not simulated is an error, never a
//! null that could be taken for an answer.

mod account;
mod git;
mod id;
mod page;
mod repository;
mod root;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonValue;
use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::http::call::{Caller, Urls};
use crate::http::rest::sha;
use crate::world::World;
use crate::world::access::{Level, Need, Place, Verdict};
use crate::world::model::Repo;
use crate::world::tokens::{Allowance, Identity};

pub(super) use account::Owner;
use git::GitObject;
use page::Page;

/// What every object needs of the request.
pub(crate) struct Context<'w> {
    pub(crate) world: &'w World,
    pub(crate) caller: &'w Caller,
    pub(crate) urls: &'w Urls,
    /// Points this question costs, and its nodes.
    pub(crate) cost: u64,
    pub(crate) nodes: u64,
    /// What is left once they are paid.
    pub(crate) allowance: Allowance,
    /// Errors about items of lists, which the engine has no place for.
    pub(crate) of_items: RefCell<Vec<Value>>,
    /// The git objects of the repositories that were asked for one by its name.
    pub(crate) oids: RefCell<HashMap<u64, Rc<[sha::Named]>>>,
}

/// A field's value, or its error.
type Resolved<'w> = Result<ResolvedValue<'w>, Problem>;

/// An object of GitHub's, ready to be asked for its fields.
pub(crate) struct Object<'w> {
    context: &'w Context<'w>,
    thing: Thing<'w>,
}

enum Thing<'w> {
    Query,
    Mutation,
    RateLimit,
    Account(Owner<'w>),
    Repository(&'w Repo),
    Repositories(Rc<Page<'w>>),
    Edge(Rc<Page<'w>>, usize),
    PageInfo(Rc<Page<'w>>),
    /// The default branch, the only one.
    Ref(&'w Repo),
    Git(&'w Repo, GitObject),
    TreeEntry(&'w Repo, sha::Named),
}

/// The objects that a question starts from.
pub(crate) fn root<'w>(context: &'w Context<'w>, is_mutation: bool) -> Object<'w> {
    context.object(if is_mutation { Thing::Mutation } else { Thing::Query })
}

impl<'w> Context<'w> {
    fn object(&'w self, thing: Thing<'w>) -> Object<'w> {
        Object { context: self, thing }
    }

    fn resolved(&'w self, thing: Thing<'w>) -> ResolvedValue<'w> {
        ResolvedValue::object(self.object(thing))
    }

    fn sees(&self, repo: &Repo) -> bool {
        self.world.sees(&self.caller.token, repo)
    }

    /// True if the caller may read a repository's files.
    fn may_read(&self, repo: &Repo) -> Result<(), Problem> {
        let need = Need { permission: "contents", level: Level::Read, scopes: &[] };
        match self.world.judge(&self.caller.token, Place::Repo(repo), need) {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden | Verdict::Hidden => {
                let by = match self.caller.identity {
                    Identity::Installation(_) => "integration",
                    Identity::User => "personal access token",
                };
                Err(Problem::new(Kind::Forbidden, format!("Resource not accessible by {by}")))
            }
        }
    }
}

impl ObjectValue for Object<'_> {
    fn type_name(&self) -> &str {
        match &self.thing {
            Thing::Query => "Query",
            Thing::Mutation => "Mutation",
            Thing::RateLimit => "RateLimit",
            Thing::Account(owner) => owner.type_name(),
            Thing::Repository(_) => "Repository",
            Thing::Repositories(_) => "RepositoryConnection",
            Thing::Edge(..) => "RepositoryEdge",
            Thing::PageInfo(_) => "PageInfo",
            Thing::Ref(_) => "Ref",
            Thing::Git(_, object) => object.type_name(),
            Thing::TreeEntry(..) => "TreeEntry",
        }
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let context = self.context;
        let resolved = match &self.thing {
            Thing::Query => context.query(info),
            Thing::Mutation => None,
            Thing::RateLimit => context.rate_limit(info),
            Thing::Account(owner) => context.account(*owner, info),
            Thing::Repository(repo) => context.repository(repo, info),
            Thing::Repositories(page) => context.repositories(page, info),
            Thing::Edge(page, index) => context.edge(page, *index, info),
            Thing::PageInfo(page) => page.info(info).map(Ok),
            Thing::Ref(repo) => context.branch(repo, info),
            Thing::Git(repo, object) => context.git(repo, object, info),
            Thing::TreeEntry(repo, named) => context.tree_entry(repo, named, info),
        };
        let unknown = || Problem::not_simulated(self.type_name(), info.field_name());
        resolved.ok_or_else(unknown).flatten().map_err(FieldError::from)
    }
}

/// A plain value.
fn leaf<'w>(value: impl Into<JsonValue>) -> ResolvedValue<'w> {
    ResolvedValue::leaf(value)
}

/// An argument as text.
fn text<'a>(info: &'a ResolveInfo<'_>, name: &str) -> Option<&'a str> {
    info.arguments().get(name).and_then(JsonValue::as_str)
}

/// An argument as yes or no.
fn flag(info: &ResolveInfo<'_>, name: &str) -> Option<bool> {
    info.arguments().get(name).and_then(JsonValue::as_bool)
}
