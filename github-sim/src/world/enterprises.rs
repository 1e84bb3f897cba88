//! Enterprises: organisations under one roof, whose runners may take jobs of each, and which the events of their repositories
//! name. (GitHub docs, "Adding self-hosted runners": an enterprise's runners are shared with its organisations.)

use std::collections::{BTreeMap, BTreeSet};

use crate::names::{RepoSlug, Scope};

use super::model::Enterprise;
use super::{DEFAULT_GROUP, Refusal, World};

impl World {
    /// Makes an enterprise of these organisations, which must exist. One that exists gets them in addition to those it has.
    pub fn add_enterprise(&mut self, slug: &str, organisations: &[&str]) -> Result<u64, Refusal> {
        let key = slug.to_ascii_lowercase();
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if key.is_empty() || key.len() > 60 || !key.bytes().all(valid) {
            return Err(Refusal::Invalid(format!("{slug:?} is not the name of an enterprise")));
        }
        let members =
            organisations.iter().map(|login| self.org(login).map(|org| org.login.clone()));
        let members: Option<BTreeSet<_>> = members.collect();
        let members = members.ok_or(Refusal::NotFound("organization"))?;
        let taken = |one: &&Enterprise| one.slug != key && !one.members.is_disjoint(&members);
        if self.enterprises.values().find(taken).is_some() {
            let why = "an organisation belongs to one enterprise at most";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let id = self.next_id();
        let groups = || BTreeMap::from([(DEFAULT_GROUP, "Default".to_owned())]);
        let made =
            || Enterprise { id, slug: key.clone(), members: BTreeSet::new(), groups: groups() };
        let enterprise = self.enterprises.entry(key.clone()).or_insert_with(made);
        enterprise.members.extend(members);
        Ok(enterprise.id)
    }

    /// Adds a runner group to an enterprise, for all of its organisations, and returns the group's id.
    pub fn add_enterprise_runner_group(&mut self, slug: &str, name: &str) -> Result<u64, Refusal> {
        let id = self.next_id();
        let enterprise = self.enterprises.get_mut(&slug.to_ascii_lowercase());
        let groups = &mut enterprise.ok_or(Refusal::NotFound("enterprise"))?.groups;
        if groups.values().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Refusal::NameTaken { what: "runner group", name: name.to_owned() });
        }
        groups.insert(id, name.to_owned());
        Ok(id)
    }

    /// The enterprise of this name, compared without case.
    pub fn enterprise(&self, slug: &str) -> Option<&Enterprise> {
        self.enterprises.get(&slug.to_ascii_lowercase())
    }

    /// The enterprise that a repository's owner belongs to.
    pub fn enterprise_of(&self, repo: &RepoSlug) -> Option<&Enterprise> {
        self.enterprises.values().find(|one| one.members.contains(repo.owner()))
    }

    /// True if a runner of this scope may take jobs of this repository.
    pub(super) fn reaches(&self, scope: &Scope, repo: &RepoSlug) -> bool {
        match scope {
            Scope::Enterprise(slug) => {
                let enterprise = self.enterprise(slug.as_str());
                enterprise.is_some_and(|known| known.members.contains(repo.owner()))
            }
            Scope::Org(login) => login.as_str().eq_ignore_ascii_case(repo.owner().as_str()),
            Scope::Repo(slug) => slug.to_string().eq_ignore_ascii_case(&repo.to_string()),
        }
    }
}
