//! Who may call the REST API, and how often.
//!
//! Until a token is added by name, every token that is not empty and not revoked is the user [`DEFAULT_USER`]'s and sees
//! everything. (GitHub docs, "Rate limits for the REST API": 5,000 requests an hour.)

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Refusal, World, secret};

/// The user who owns every token that names nobody.
pub const DEFAULT_USER: &str = "octo-admin";
/// Requests an hour unless a token was added with another limit.
pub const DEFAULT_LIMIT: u64 = 5_000;
/// How long a count runs.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Whom a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The user [`DEFAULT_USER`].
    User,
    /// An installation of the App.
    Installation(u64),
}

/// How much of its hour's requests a token has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests an hour.
    pub limit: u64,
    /// Requests counted in the present window.
    pub used: u64,
    /// When the window ends.
    pub reset: Timestamp,
}

impl Allowance {
    /// Requests left in the present window.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The tokens there are.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    added: BTreeMap<String, u64>,
    revoked: BTreeSet<String>,
    installations: BTreeMap<String, (u64, Timestamp)>,
    used: BTreeMap<String, (u64, Timestamp)>,
    default_limit: Option<u64>,
}

impl Tokens {
    /// Adds a user's token with a limit of requests an hour. From the first one on, only added tokens count.
    pub fn add(&mut self, token: &str, limit: Option<u64>) {
        self.revoked.remove(token);
        self.used.remove(token);
        self.added.insert(token.to_owned(), limit.unwrap_or(DEFAULT_LIMIT));
    }

    /// Makes a token worthless from now on.
    pub fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
    }

    /// Sets the limit of tokens that were not added by name.
    pub fn set_default_limit(&mut self, limit: u64) {
        self.default_limit = Some(limit);
    }

    /// Whom `token` stands for at `now`.
    pub fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        const BAD: Refusal = Refusal::Unauthorized("Bad credentials");
        if token.is_empty() || self.revoked.contains(token) {
            return Err(BAD);
        }
        match self.installations.get(token) {
            Some((id, expires)) if now < *expires => Ok(Identity::Installation(*id)),
            None if self.added.is_empty() || self.added.contains_key(token) => Ok(Identity::User),
            Some(_) | None => Err(BAD),
        }
    }

    /// What `token` has left at `now`.
    pub fn allowance(&self, token: &str, now: Timestamp) -> Allowance {
        let general = self.default_limit.unwrap_or(DEFAULT_LIMIT);
        let limit = self.added.get(token).copied().unwrap_or(general);
        let (used, reset) = match self.used.get(token) {
            Some(&(used, reset)) if now < reset => (used, reset),
            _ => (0, now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX)),
        };
        Allowance { limit, used, reset }
    }

    /// Counts one request of `token`.
    pub fn spend(&mut self, token: &str, now: Timestamp) {
        let Allowance { used, reset, .. } = self.allowance(token, now);
        self.used.insert(token.to_owned(), (used + 1, reset));
    }
}

impl World {
    /// Makes a token for an installation of the App, good for one hour.
    pub fn create_installation_token(&mut self, id: u64) -> Result<(String, Timestamp), Refusal> {
        if !self.installations.iter().any(|known| known.id == id) {
            return Err(Refusal::NotFound("installation"));
        }
        let expires = self.now().saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
        let token = secret("ghs_");
        self.tokens.installations.insert(token.clone(), (id, expires));
        Ok((token, expires))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::world;
    use super::*;

    #[test]
    fn any_token_will_do_until_one_is_added() {
        let (mut world, clock) = world();
        let now = clock.now();
        let known = |world: &World, token: &str| world.tokens.identify(token, now).is_ok();
        assert!(known(&world, "anything") && !known(&world, ""));
        world.tokens.add("t1", None);
        assert!(known(&world, "t1") && !known(&world, "anything"));
        world.tokens.revoke("t1");
        assert!(!known(&world, "t1"));
        world.tokens.add("t1", None);
        assert!(known(&world, "t1"));
    }

    #[test]
    fn an_installation_token_ends_after_an_hour() {
        let (mut world, clock) = world();
        let id = world.installations()[0].id;
        let (token, _) = world.create_installation_token(id).unwrap();
        let identity = |now| world.tokens.identify(&token, now);
        assert_eq!(identity(clock.now()), Ok(Identity::Installation(id)));
        clock.advance(WINDOW);
        assert!(identity(clock.now()).is_err());
        assert!(world.create_installation_token(7).is_err());
    }

    #[test]
    fn requests_are_counted_per_token_and_hour() {
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
}
