//! Who may call the API: users by their tokens, installations of the App by theirs.
//!
//! Until a token is added by name, every token that is not empty and not revoked is the user [`DEFAULT_USER`]'s and sees
//! everything. What a token may do is `access`'s, how often it may call `limits`'.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Refusal;
use super::access::{Grant, Permissions};
pub use super::limits::{Allowance, DEFAULT_LIMIT, Resource, Secondary, WINDOW, Weight};
use super::limits::{Bucket, Limits};

/// The user who owns every token that names nobody.
pub const DEFAULT_USER: &str = "octo-admin";

/// Whom a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A user; [`Tokens::login`] is who.
    User,
    /// An installation of the App.
    Installation(u64),
}

/// A user's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToken {
    /// Whose it is.
    pub login: String,
    /// What it may do.
    pub grant: Grant,
    /// A limit of requests an hour for it alone; `None` shares the user's.
    pub limit: Option<u64>,
}

impl Default for UserToken {
    fn default() -> Self {
        Self { login: DEFAULT_USER.to_owned(), grant: Grant::Everything, limit: None }
    }
}

/// An installation's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InstallationToken {
    pub(super) installation: u64,
    pub(super) expires: Timestamp,
    /// Ids of the repositories it was narrowed to.
    pub(super) repositories: Option<BTreeSet<u64>>,
    pub(super) permissions: Permissions,
}

/// The tokens there are.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    added: BTreeMap<String, UserToken>,
    revoked: BTreeSet<String>,
    installations: BTreeMap<String, InstallationToken>,
    suspended: BTreeSet<u64>,
    limits: Limits,
}

impl Tokens {
    /// Adds a token of [`DEFAULT_USER`]'s that may do everything, with a limit of requests an hour of its own (`None` shares
    /// the user's). From the first one on, only added tokens count.
    pub fn add(&mut self, token: &str, limit: Option<u64>) {
        self.add_as(token, UserToken { limit, ..UserToken::default() });
    }

    /// Adds a user's token. From the first one on, only added tokens count.
    pub fn add_as(&mut self, token: &str, new: UserToken) {
        self.revoked.remove(token);
        let limit = new.limit;
        self.added.insert(token.to_owned(), new);
        if let Some(limit) = limit {
            let bucket = self.bucket(token);
            self.limits.renew(bucket, Resource::Core, limit);
        }
    }

    /// Makes a token worthless from now on.
    pub fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
    }

    /// Sets the limit of REST requests an hour of users and installations that have no other.
    pub fn set_default_limit(&mut self, limit: u64) {
        self.limits.set_general(Resource::Core, limit);
    }

    /// Sets what the identity behind `token` has left of a resource, and until when; for example 50 of 5,000 for the next
    /// half hour. The limit stays when the window is over.
    pub fn set_allowance(&mut self, token: &str, resource: Resource, to: Allowance) {
        let bucket = self.bucket(token);
        self.limits.set(bucket, resource, to);
    }

    /// Sets the secondary limits, which are off at the start.
    pub fn set_secondary(&mut self, limits: Secondary) {
        self.limits.set_secondary(limits);
    }

    /// The secondary limits.
    pub fn secondary(&self) -> Secondary {
        self.limits.secondary
    }

    /// Whom `token` stands for at `now`.
    pub fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        const BAD: Refusal = Refusal::Unauthorized("Bad credentials");
        if token.is_empty() || self.revoked.contains(token) {
            return Err(BAD);
        }
        match self.installations.get(token) {
            Some(known) if now >= known.expires => Err(BAD),
            Some(known) if self.suspended.contains(&known.installation) => {
                Err(Refusal::Forbidden("This installation has been suspended"))
            }
            Some(known) => Ok(Identity::Installation(known.installation)),
            None if token.starts_with("ghs_") => Err(BAD),
            None if self.added.is_empty() || self.added.contains_key(token) => Ok(Identity::User),
            None => Err(BAD),
        }
    }

    /// The login of the user a token stands for; of the default one for an installation's.
    pub fn login(&self, token: &str) -> &str {
        self.added.get(token).map_or(DEFAULT_USER, |known| known.login.as_str())
    }

    /// What a user gave the token.
    pub fn grant(&self, token: &str) -> &Grant {
        self.added.get(token).map_or(&Grant::Everything, |known| &known.grant)
    }

    /// What `token` has left of its REST requests at `now`.
    pub fn allowance(&self, token: &str, now: Timestamp) -> Allowance {
        self.allowance_of(token, Resource::Core, now)
    }

    /// What `token` has left of a resource at `now`.
    pub fn allowance_of(&self, token: &str, resource: Resource, now: Timestamp) -> Allowance {
        self.limits.allowance(&(self.bucket(token), resource), now)
    }

    /// Counts one REST request of `token`.
    pub fn spend(&mut self, token: &str, now: Timestamp) {
        self.spend_of(token, Resource::Core, 1, now);
    }

    /// Counts points (for REST: requests) of `token`.
    pub fn spend_of(&mut self, token: &str, resource: Resource, points: u64, now: Timestamp) {
        let bucket = self.bucket(token);
        self.limits.spend((bucket, resource), points, now);
    }

    /// Notes that an answer told `token` to wait until then.
    pub fn tell(&mut self, token: &str, resource: Resource, until: Timestamp) {
        let bucket = self.bucket(token);
        self.limits.tell((bucket, resource), until);
    }

    /// Until when an answer told `token` to wait, if that is still to come.
    pub fn told(&self, token: &str, resource: Resource, now: Timestamp) -> Option<Timestamp> {
        self.limits.told(&(self.bucket(token), resource), now)
    }

    /// Lets a request in ([`Tokens::leave`] must follow) or says for how many seconds a secondary limit keeps it away.
    pub fn enter(&mut self, token: &str, weight: Weight, now: Timestamp) -> Result<(), u64> {
        let bucket = self.bucket(token);
        self.limits.enter(bucket, weight, now)
    }

    /// A request that was let in is over.
    pub fn leave(&mut self, token: &str) {
        let bucket = self.bucket(token);
        self.limits.leave(&bucket);
    }

    fn bucket(&self, token: &str) -> Bucket {
        if let Some(known) = self.installations.get(token) {
            return Bucket::Installation(known.installation);
        }
        if token.matches('.').count() == 2 && !self.added.contains_key(token) {
            return Bucket::App;
        }
        match self.added.get(token) {
            Some(UserToken { limit: Some(_), .. }) => Bucket::Token(token.to_owned()),
            known => {
                let login = known.map_or(DEFAULT_USER, |known| known.login.as_str());
                Bucket::User(login.to_ascii_lowercase())
            }
        }
    }

    pub(super) fn add_installation_token(&mut self, token: &str, new: InstallationToken) {
        // Those that are over are not told from those that never were.
        self.installations.insert(token.to_owned(), new);
    }

    pub(super) fn installation_token(&self, token: &str) -> Option<&InstallationToken> {
        self.installations.get(token)
    }

    pub(super) fn suspend(&mut self, installation: u64, suspended: bool) {
        if suspended {
            self.suspended.insert(installation);
        } else {
            self.suspended.remove(&installation);
        }
    }

    /// Takes from the tokens of an installation what it may no longer do.
    pub(super) fn narrow(&mut self, installation: u64, most: &Permissions) {
        for known in self.installations.values_mut().filter(|one| one.installation == installation)
        {
            known.permissions.retain(|name, level| {
                let allowed = most.get(name);
                allowed.inspect(|&&allowed| *level = allowed.min(*level));
                allowed.is_some()
            });
        }
    }

    /// Makes every token of an installation that is no more worthless.
    pub(super) fn forget(&mut self, installation: u64) {
        self.installations.retain(|_, known| known.installation != installation);
        self.suspended.remove(&installation);
    }

    /// Forgets what is long over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let kept = |known: &InstallationToken| now < known.expires;
        self.installations.retain(|_, known| kept(known));
    }
}

#[cfg(test)]
mod tests {
    use super::super::World;
    use super::super::testing::world;
    use super::*;

    #[test]
    fn any_token_will_do_until_one_is_added() {
        let (mut world, clock) = world();
        let now = clock.now();
        let known = |world: &World, token: &str| world.tokens.identify(token, now).is_ok();
        assert!(known(&world, "anything") && !known(&world, ""));
        assert!(!known(&world, "ghs_never_made"), "an installation's token is made, not guessed");
        world.tokens.add("t1", None);
        assert!(known(&world, "t1") && !known(&world, "anything"));
        world.tokens.revoke("t1");
        assert!(!known(&world, "t1"));
        world.tokens.add("t1", None);
        assert!(known(&world, "t1"));
    }

    #[test]
    fn requests_are_counted_per_identity_and_hour() {
        let (mut world, clock) = world();
        world.tokens.add("t1", Some(2));
        for expected in [2, 1, 0, 0] {
            assert_eq!(world.tokens.allowance("t1", clock.now()).remaining(), expected);
            world.tokens.spend("t1", clock.now());
        }
        assert_eq!(world.tokens.allowance("t2", clock.now()).remaining(), DEFAULT_LIMIT);
        clock.advance(WINDOW);
        assert_eq!(world.tokens.allowance("t1", clock.now()).remaining(), 2);
    }

    #[test]
    fn the_tokens_of_a_user_share_one_count_and_resources_do_not() {
        let (mut world, clock) = world();
        let now = clock.now();
        let of = |login: &str| UserToken { login: login.to_owned(), ..UserToken::default() };
        for (token, login) in [("a", "One"), ("b", "one"), ("c", "other")] {
            world.tokens.add_as(token, of(login));
        }
        world.tokens.spend("a", now);
        world.tokens.spend_of("a", Resource::Graphql, 7, now);
        let used = |token: &str, resource| world.tokens.allowance_of(token, resource, now).used;
        assert_eq!((used("b", Resource::Core), used("b", Resource::Graphql)), (1, 7));
        assert_eq!((used("c", Resource::Core), used("c", Resource::Graphql)), (0, 0));
    }

    #[test]
    fn what_is_left_can_be_set_until_the_window_ends() {
        let (mut world, clock) = world();
        let reset = clock.now().saturating_add(jiff::SignedDuration::from_mins(30)).unwrap();
        let set = Allowance { limit: 5_000, used: 4_950, reset };
        world.tokens.set_allowance("t", Resource::Core, set);
        assert_eq!(world.tokens.allowance("t", clock.now()), set);
        clock.advance(jiff::SignedDuration::from_mins(30));
        assert_eq!(world.tokens.allowance("t", clock.now()).remaining(), 5_000);
    }
}
