//! Registrations: made by token or as a just-in-time configuration, changed, deleted.

use crate::names::{EnterpriseSlug, Scope};
use jiff::{SignedDuration, Timestamp};
use std::fmt;

use super::labels::{self, MOST_LABELS};
use super::model::{Runner, RunnerLabel};
use super::{DEFAULT_GROUP, Refusal, World, read, secret};

/// How long a registration or remove token works (GitHub docs, REST "Create a registration token": one hour).
pub const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What a runner token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// To register.
    Registration,
    /// To deregister.
    Remove,
}

/// A registration or remove token.
#[derive(Debug, Clone)]
pub(super) struct RunnerToken {
    token: String,
    kind: TokenKind,
    pub(super) scope: Scope,
    expires_at: Timestamp,
}

/// What a runner says about itself when it registers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// Unique within the scope.
    pub name: String,
    /// What it offers.
    pub labels: Vec<String>,
    /// True if it takes one job only.
    pub ephemeral: bool,
    /// Take over a registration of the same name (`config.sh --replace`).
    pub replace: bool,
    /// Its runner group; `None` is the default one.
    pub group_id: Option<u64>,
}

/// A token in the form of GitHub's: 29 capital letters and digits, the first an A (REST "Create a registration token", example).
fn runner_token() -> String {
    secret("A").chars().take(29).map(|letter| letter.to_ascii_uppercase()).collect()
}

impl World {
    /// Makes a registration or remove token for `scope`; it may be used more than once until it expires.
    pub fn create_runner_token(
        &mut self,
        scope: &Scope,
        kind: TokenKind,
    ) -> Result<(String, Timestamp), Refusal> {
        let scope = self.known_scope(scope)?;
        let expires_at = self.now().saturating_add(TOKEN_LIFETIME).unwrap_or(Timestamp::MAX);
        let token = runner_token();
        self.runner_tokens.push(RunnerToken { token: token.clone(), kind, scope, expires_at });
        Ok((token, expires_at))
    }

    /// True if `token` permits `kind` at `scope` now.
    pub fn check_runner_token(
        &self,
        scope: &Scope,
        token: &str,
        kind: TokenKind,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let fits = |known: &&RunnerToken| {
            known.token == token && known.kind == kind && known.scope == *scope
        };
        match self.runner_tokens.iter().find(fits) {
            Some(known) if now < known.expires_at => Ok(()),
            _ => Err(Refusal::Unauthorized("unknown or expired runner token")),
        }
    }

    /// Registers a runner, offline; its token was checked before.
    pub fn register_runner(&mut self, scope: &Scope, new: Registration) -> Result<u64, Refusal> {
        let scope = self.known_scope(scope)?;
        let group_id = self.known_group(&scope, new.group_id.unwrap_or(DEFAULT_GROUP))?;
        if let Some(why) = labels::fault_of_name(&new.name) {
            return Err(Refusal::Invalid(format!("Invalid runner name: {why}")));
        }
        check_labels(&new.labels)?;
        if let Some(old) = self.runner_named(&scope, &new.name) {
            if !new.replace || old.busy() {
                return Err(Refusal::NameTaken { what: "runner", name: new.name });
            }
            let old = old.id;
            self.runners.remove(&old);
        }
        let (id, offline_since) = (self.next_id(), self.now());
        let mut labels: Vec<RunnerLabel> = Vec::new();
        for name in &new.labels {
            let name = name.trim().to_lowercase();
            if !labels.iter().any(|label| label.name == name) {
                labels.push(RunnerLabel { id: self.next_id(), name, read_only: false });
            }
        }
        let runner = Runner {
            id,
            name: new.name,
            scope,
            os: "unknown".to_owned(),
            labels,
            ephemeral: new.ephemeral,
            group_id,
            job: None,
            connection: None,
            jit_secret: None,
            created_at: offline_since,
            offline_since,
        };
        self.runners.insert(id, runner);
        Ok(id)
    }

    /// Registers an ephemeral runner by just-in-time configuration. Answers its id and the secret, good for one connection.
    pub fn create_jit_runner(
        &mut self,
        scope: &Scope,
        mut new: Registration,
    ) -> Result<(u64, String), Refusal> {
        if new.labels.is_empty() {
            return Err(Refusal::Invalid("Invalid request.\n\nlabels must not be empty.".into()));
        }
        (new.ephemeral, new.replace) = (true, false);
        let id = self.register_runner(scope, new)?;
        let jit_secret = secret("jit_");
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.jit_secret = Some(jit_secret.clone());
        }
        Ok((id, jit_secret))
    }

    /// Registers a runner without a token and leaves it offline, as one that was configured and never started.
    pub fn add_offline_runner(
        &mut self,
        scope: &(impl fmt::Display + ?Sized),
        name: &str,
        labels: &[&str],
    ) -> Result<u64, Refusal> {
        let scope = &read::<Scope>(scope, "scope")?;
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let new = Registration { name: name.to_owned(), labels, ..Registration::default() };
        self.register_runner(scope, new)
    }

    /// Deletes a registration, which ends its connection; refused while the runner has a job.
    pub fn delete_runner(
        &mut self,
        scope: &(impl fmt::Display + ?Sized),
        id: u64,
    ) -> Result<(), Refusal> {
        let scope = &read::<Scope>(scope, "runner")?;
        let runner = self.runner(scope, id)?;
        if runner.busy() {
            return Err(Refusal::Busy(runner.name.clone()));
        }
        self.runners.remove(&id);
        Ok(())
    }

    /// Gives a runner these custom labels, in place of those it has or (`keep`) in addition to them.
    pub fn set_labels(
        &mut self,
        scope: &Scope,
        id: u64,
        labels: &[String],
        keep: Keep,
    ) -> Result<(), Refusal> {
        check_labels(labels)?;
        let mut kept = self.runner(scope, id)?.labels.clone();
        if keep == Keep::ReadOnly {
            kept.retain(|label| label.read_only);
        }
        for name in labels {
            let name = name.trim().to_lowercase();
            if !kept.iter().any(|label| label.name == name) {
                kept.push(RunnerLabel { id: self.next_id(), name, read_only: false });
            }
        }
        self.runners.entry(id).and_modify(|runner| runner.labels = kept);
        self.settle();
        Ok(())
    }

    /// Takes one custom label from a runner.
    pub fn remove_label(&mut self, scope: &Scope, id: u64, name: &str) -> Result<(), Refusal> {
        let runner = self.runner(scope, id)?;
        let label = runner.labels.iter().find(|label| label.name.eq_ignore_ascii_case(name));
        match label {
            None => Err(Refusal::NotFound("label")),
            Some(label) if label.read_only => {
                Err(Refusal::Invalid(format!("Cannot remove the read-only label '{name}'")))
            }
            Some(label) => {
                let gone = label.id;
                self.runners
                    .entry(id)
                    .and_modify(|runner| runner.labels.retain(|label| label.id != gone));
                Ok(())
            }
        }
    }

    /// The runners registered at exactly this scope, oldest first.
    pub fn runners(&self, scope: &(impl fmt::Display + ?Sized)) -> impl Iterator<Item = &Runner> {
        let scope = read::<Scope>(scope, "scope").ok();
        self.runners.values().filter(move |runner| Some(&runner.scope) == scope.as_ref())
    }

    /// The runners of this scope that a list shows: not those registered a moment ago, if lists lag behind.
    pub fn listed_runners(&self, scope: &Scope) -> impl Iterator<Item = &Runner> {
        let (now, delay) = (self.now(), self.listing_delay);
        self.runners(scope).filter(move |runner| now.duration_since(runner.created_at) >= delay)
    }

    /// The runner with this id, if it is registered at this scope.
    pub fn runner(&self, scope: &Scope, id: u64) -> Result<&Runner, Refusal> {
        let runner = self.runners.get(&id).filter(|runner| runner.scope == *scope);
        runner.ok_or(Refusal::NotFound("runner"))
    }

    /// The runner of this name at this scope.
    pub fn runner_named(&self, scope: &Scope, name: &str) -> Option<&Runner> {
        self.runners(scope).find(|runner| runner.name.eq_ignore_ascii_case(name))
    }

    /// The scope as its owner spells it, if there is such an organisation, repository or enterprise.
    pub fn known_scope(&self, scope: &Scope) -> Result<Scope, Refusal> {
        match scope {
            Scope::Repo(slug) => {
                let repo = self.repo(slug).ok_or(Refusal::NotFound("repository"))?;
                Ok(Scope::Repo(repo.slug.clone()))
            }
            Scope::Org(login) => {
                let org = self.org(login.as_str()).ok_or(Refusal::NotFound("organization"))?;
                Ok(Scope::Org(org.login.clone()))
            }
            Scope::Enterprise(slug) => {
                let known =
                    self.enterprise(slug.as_str()).ok_or(Refusal::NotFound("enterprise"))?;
                let slug = EnterpriseSlug::parse(&known.slug);
                slug.map(Scope::Enterprise).map_err(|_| Refusal::NotFound("enterprise"))
            }
        }
    }

    fn known_group(&self, scope: &Scope, id: u64) -> Result<u64, Refusal> {
        let known = match scope {
            Scope::Repo(_) => id == DEFAULT_GROUP,
            Scope::Enterprise(slug) => {
                let enterprise = self.enterprise(slug.as_str());
                enterprise.is_some_and(|known| known.groups.contains_key(&id))
            }
            Scope::Org(login) => self.groups(login).any(|group| group.id == id),
        };
        if known { Ok(id) } else { Err(Refusal::NotFound("runner group")) }
    }
}

/// Which labels a runner keeps when it is given others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All it has.
    All,
    /// Only those that cannot be removed.
    ReadOnly,
}

fn check_labels(labels: &[String]) -> Result<(), Refusal> {
    if labels.len() > MOST_LABELS {
        return Err(Refusal::Invalid(format!("No more than {MOST_LABELS} labels are allowed.")));
    }
    if labels.iter().any(|label| label.trim().is_empty() || label.chars().count() > 256) {
        return Err(Refusal::Invalid("A label must have 1 to 256 characters.".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{queue, scope, world};
    use super::*;

    fn named(name: &str) -> Registration {
        Registration { name: name.into(), labels: vec!["A".into()], ..Registration::default() }
    }

    #[test]
    fn a_name_is_taken_once_per_scope_and_labels_are_lower_case() {
        let (mut world, _) = world();
        let (org, repo) = (scope("org:octo-org"), scope("repo:octo-org/tools"));
        let (id, _) = world.create_jit_runner(&org, named("r1")).unwrap();
        let runner = world.runner(&org, id).unwrap();
        assert_eq!((runner.labels[0].name.as_str(), runner.ephemeral), ("a", true));
        assert!(!runner.online());
        let taken = world.create_jit_runner(&org, named("R1")).unwrap_err();
        assert!(matches!(taken, Refusal::NameTaken { .. }), "{taken}");
        assert!(world.create_jit_runner(&repo, named("r1")).is_ok());
        assert!(world.runner(&repo, id).is_err(), "a runner is seen at its own scope only");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let (mut world, _) = world();
        let cases = [
            (scope("org:nobody"), None, "organization"),
            (scope("repo:octo-org/none"), None, "repository"),
            (scope("org:octo-org"), Some(99), "runner group"),
            (scope("repo:octo-org/tools"), Some(2), "runner group"),
        ];
        for (scope, group_id, what) in cases {
            let new = Registration { group_id, ..named("r1") };
            assert_eq!(world.create_jit_runner(&scope, new), Err(Refusal::NotFound(what)));
        }
    }

    #[test]
    fn a_token_works_at_its_scope_for_its_purpose_for_an_hour() {
        let (mut world, clock) = world();
        let (org, repo) = (scope("org:octo-org"), scope("repo:octo-org/tools"));
        let (token, _) = world.create_runner_token(&org, TokenKind::Registration).unwrap();
        assert!(world.check_runner_token(&org, &token, TokenKind::Registration).is_ok());
        assert!(world.check_runner_token(&org, &token, TokenKind::Remove).is_err());
        assert!(world.check_runner_token(&repo, &token, TokenKind::Registration).is_err());
        clock.advance(TOKEN_LIFETIME);
        assert!(world.check_runner_token(&org, &token, TokenKind::Registration).is_err());
    }

    #[test]
    fn a_busy_runner_is_neither_deleted_nor_replaced() {
        let (mut world, _) = world();
        let org = scope("org:octo-org");
        let id = world.add_offline_runner(&org, "r1", &["x"]).unwrap();
        queue(&mut world, &["x"]);
        world.connect_runner(&org, "r1").unwrap().unwrap();
        assert_eq!(world.delete_runner(&org, id), Err(Refusal::Busy("r1".into())));
        let again = Registration { replace: true, ..named("r1") };
        assert!(world.register_runner(&org, again).is_err());
    }

    #[test]
    fn labels_are_added_replaced_and_removed() {
        let (mut world, _) = world();
        let org = scope("org:octo-org");
        let id = world.add_offline_runner(&org, "r1", &["x"]).unwrap();
        let names = |world: &World| {
            let labels = &world.runner(&org, id).unwrap().labels;
            labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>()
        };
        world.set_labels(&org, id, &["Y".into(), "x".into()], Keep::All).unwrap();
        assert_eq!(names(&world), ["x", "y"]);
        world.set_labels(&org, id, &["z".into()], Keep::ReadOnly).unwrap();
        assert_eq!(names(&world), ["z"]);
        assert_eq!(world.remove_label(&org, id, "none"), Err(Refusal::NotFound("label")));
        world.remove_label(&org, id, "Z").unwrap();
        assert!(names(&world).is_empty());
    }
}
