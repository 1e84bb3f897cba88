//! `User` and `Organization`.

use apollo_compiler::resolvers::ResolveInfo;

use super::{Context, Resolved, Thing, id, leaf};
use crate::http::graphql::problem::{Kind, Problem};
use crate::http::render::time;
use crate::world::model::{Account, Repo};
use crate::world::tokens::Identity;

/// Who owns repositories, or asks.
#[derive(Clone, Copy)]
pub(crate) enum Owner<'w> {
    Account(&'w Account),
    /// The user that an installation of the App acts as.
    Bot,
}

/// How a repository belongs to someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affiliation {
    Owner,
    Collaborator,
    OrganizationMember,
}

impl Affiliation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Collaborator => "COLLABORATOR",
            Self::OrganizationMember => "ORGANIZATION_MEMBER",
        }
    }
}

impl Owner<'_> {
    pub(super) fn is_org(self) -> bool {
        matches!(self, Self::Account(account) if account.is_org)
    }

    /// The account's id; none for the user of an installation.
    fn number(self) -> Option<u64> {
        match self {
            Self::Account(account) => Some(account.id),
            Self::Bot => None,
        }
    }

    pub(super) fn type_name(self) -> &'static str {
        if self.is_org() { "Organization" } else { "User" }
    }
}

impl<'w> Context<'w> {
    /// Who asks.
    pub(super) fn viewer(&self) -> Result<Owner<'w>, Problem> {
        match self.caller.identity {
            Identity::Installation(_) => Ok(Owner::Bot),
            Identity::User => {
                let login = self.world.tokens.login(&self.caller.token);
                let account = self.world.account(login).map(Owner::Account);
                account.ok_or_else(|| Problem::new(Kind::NotFound, "Could not resolve the viewer"))
            }
        }
    }

    pub(super) fn owner_of(&self, login: &str) -> Option<Owner<'w>> {
        self.world.account(login).map(Owner::Account)
    }

    /// How `repo` belongs to `owner`. Every user is a member of every organisation and works on every repository, as in
    /// REST; an installation's user owns nothing.
    pub(super) fn affiliation(&self, owner: Owner<'_>, repo: &Repo) -> Option<Affiliation> {
        let Owner::Account(account) = owner else { return None };
        let of = repo.slug.owner();
        if of == &account.login {
            return Some(Affiliation::Owner);
        }
        let shared = match self.world.org(of.as_str()) {
            Some(_) => Affiliation::OrganizationMember,
            None => Affiliation::Collaborator,
        };
        (!account.is_org).then_some(shared)
    }

    pub(super) fn account(
        &'w self,
        owner: Owner<'w>,
        info: &ResolveInfo<'_>,
    ) -> Option<Resolved<'w>> {
        let kind = owner.type_name();
        let app = &self.world.app;
        let login = match owner {
            Owner::Account(account) => account.login.to_string(),
            Owner::Bot => format!("{}[bot]", app.slug),
        };
        let (number, created) = match owner {
            Owner::Account(account) => (account.id, Some(account.created_at)),
            Owner::Bot => (app.id, None),
        };
        Some(Ok(match info.field_name() {
            "login" | "name" => leaf(login),
            "databaseId" => leaf(number),
            "id" if matches!(owner, Owner::Bot) => leaf(id::of("Bot", &number.to_string())),
            "id" => leaf(id::of(kind, &number.to_string())),
            "url" => leaf(format!("{}/{login}", self.urls.html)),
            "resourcePath" => leaf(format!("/{login}")),
            "avatarUrl" => leaf(format!("{}/avatars/u/{number}", self.urls.html)),
            "createdAt" | "updatedAt" => leaf(time(created?)),
            "isViewer" => leaf(self.viewer().is_ok_and(|viewer| viewer.number() == owner.number())),
            "repositories" => {
                return Some(
                    self.page(owner, info).map(|page| self.resolved(Thing::Repositories(page))),
                );
            }
            "repository" => return Some(self.named_repository(&login, info)),
            _ => return None,
        }))
    }
}
