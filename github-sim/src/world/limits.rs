//! How often each identity may call: the primary limit of an hour and the secondary limits of a minute.
//!
//! Sources: GitHub docs, "Rate limits for the REST API" and "Rate limits and query limits for the GraphQL API". All tokens
//! of a user share one bucket, each installation of the App has its own. Invariant: a limit is told before it is held
//! against a client; a request that comes while the limit it was told about lasts is counted as hammering.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Requests (or, for GraphQL, points) an hour unless set otherwise.
pub const DEFAULT_LIMIT: u64 = 5_000;
/// How long a count of the primary limit runs.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// How far back the secondary limits count.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What a primary limit counts; `x-ratelimit-resource` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Requests to the REST API.
    Core,
    /// Points of the GraphQL API.
    Graphql,
}

impl Resource {
    /// As `x-ratelimit-resource` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Graphql => "graphql",
        }
    }
}

/// Who shares a count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// One token that was added with a limit of its own.
    Token(String),
    /// All other tokens of a user, whose login it is in lower case.
    User(String),
    /// All tokens of an installation.
    Installation(u64),
    /// The App itself, by its JSON Web Tokens.
    App,
}

/// How much of its hour's requests an identity has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests (GraphQL: points) an hour.
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

/// The secondary limits; each is off while it is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secondary {
    /// Requests of one identity under way at once, REST and GraphQL together.
    pub concurrent: Option<u64>,
    /// Points a minute of REST requests: 1 for a reading one, 5 for a changing one. Counted over all endpoints together,
    /// which is stricter than GitHub, who counts each endpoint's.
    pub rest_points: Option<u64>,
    /// Points a minute of GraphQL requests: 1 for a query, 5 for a mutation.
    pub graphql_points: Option<u64>,
    /// Requests a minute that make something.
    pub content: Option<u64>,
    /// The status of the refusal: 403 or 429.
    pub status: u16,
    /// How long a client that was refused must wait, in seconds.
    pub retry_after: u64,
}

impl Default for Secondary {
    fn default() -> Self {
        Self {
            concurrent: None,
            rest_points: None,
            graphql_points: None,
            content: None,
            status: 403,
            retry_after: 60,
        }
    }
}

impl Secondary {
    /// GitHub's published numbers.
    pub fn published() -> Self {
        Self {
            concurrent: Some(100),
            rest_points: Some(900),
            graphql_points: Some(2_000),
            content: Some(80),
            ..Self::default()
        }
    }
}

/// What a request weighs against the secondary limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Whose points it costs.
    pub resource: Resource,
    /// How many.
    pub points: u64,
    /// True if it makes something.
    pub creates: bool,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    limit: Option<u64>,
    used: u64,
    reset: Timestamp,
}

/// What one identity did in the last minute.
#[derive(Debug, Clone, Default)]
struct Recent {
    under_way: u64,
    weights: VecDeque<(Timestamp, Weight)>,
    refused_until: Option<Timestamp>,
}

/// All counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    general: BTreeMap<Resource, u64>,
    spent: BTreeMap<(Bucket, Resource), Spent>,
    told: BTreeMap<(Bucket, Resource), Timestamp>,
    recent: BTreeMap<Bucket, Recent>,
    pub(super) secondary: Secondary,
}

impl Limits {
    pub(super) fn set_general(&mut self, resource: Resource, limit: u64) {
        self.general.insert(resource, limit);
    }

    /// Forgets what `bucket` has used, and gives it `limit` from now on.
    pub(super) fn renew(&mut self, bucket: Bucket, resource: Resource, limit: u64) {
        self.set(bucket, resource, Allowance { limit, used: 0, reset: Timestamp::MIN });
    }

    pub(super) fn set(&mut self, bucket: Bucket, resource: Resource, to: Allowance) {
        let spent = Spent { limit: Some(to.limit), used: to.used, reset: to.reset };
        self.told.remove(&(bucket.clone(), resource));
        self.spent.insert((bucket, resource), spent);
    }

    pub(super) fn allowance(&self, key: &(Bucket, Resource), now: Timestamp) -> Allowance {
        let spent = self.spent.get(key);
        let general = self.general.get(&key.1).copied().unwrap_or(DEFAULT_LIMIT);
        let limit = spent.and_then(|spent| spent.limit).unwrap_or(general);
        match spent {
            Some(spent) if now < spent.reset => {
                Allowance { limit, used: spent.used, reset: spent.reset }
            }
            _ => {
                let reset = now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
                Allowance { limit, used: 0, reset }
            }
        }
    }

    pub(super) fn spend(&mut self, key: (Bucket, Resource), points: u64, now: Timestamp) {
        let Allowance { used, reset, .. } = self.allowance(&key, now);
        let limit = self.spent.get(&key).and_then(|spent| spent.limit);
        self.spent.insert(key, Spent { limit, used: used.saturating_add(points), reset });
    }

    /// Notes that the client was told to wait until then.
    pub(super) fn tell(&mut self, key: (Bucket, Resource), until: Timestamp) {
        let known = self.told.entry(key).or_insert(until);
        *known = until.max(*known);
    }

    /// Until when the client was told to wait, if that is still to come.
    pub(super) fn told(&self, key: &(Bucket, Resource), now: Timestamp) -> Option<Timestamp> {
        self.told.get(key).copied().filter(|&until| now < until)
    }

    /// Lets a request in (then [`Limits::leave`] must follow) or says for how many seconds it must stay away.
    pub(super) fn enter(
        &mut self,
        bucket: Bucket,
        weight: Weight,
        now: Timestamp,
    ) -> Result<(), u64> {
        let limits = self.secondary;
        let recent = self.recent.entry(bucket).or_default();
        if let Some(until) = recent.refused_until.filter(|&until| now < until) {
            let left = until.duration_since(now).as_secs().max(1);
            return Err(u64::try_from(left).unwrap_or(1));
        }
        while recent.weights.front().is_some_and(|(at, _)| now.duration_since(*at) >= MINUTE) {
            recent.weights.pop_front();
        }
        let sum = |of: &dyn Fn(&Weight) -> u64| {
            of(&weight) + recent.weights.iter().map(|(_, weight)| of(weight)).sum::<u64>()
        };
        let points = |resource: Resource| {
            sum(&|weight| if weight.resource == resource { weight.points } else { 0 })
        };
        let over = |limit: Option<u64>, count: u64| limit.is_some_and(|limit| count > limit);
        let refused = over(limits.concurrent, recent.under_way + 1)
            || weight.resource == Resource::Core
                && over(limits.rest_points, points(Resource::Core))
            || weight.resource == Resource::Graphql
                && over(limits.graphql_points, points(Resource::Graphql))
            || weight.creates && over(limits.content, sum(&|weight| u64::from(weight.creates)));
        if refused {
            let wait = i64::try_from(limits.retry_after).unwrap_or(i64::MAX);
            recent.refused_until = now.saturating_add(SignedDuration::from_secs(wait)).ok();
            return Err(limits.retry_after);
        }
        recent.under_way += 1;
        let counted = [limits.rest_points, limits.graphql_points, limits.content];
        if counted.iter().any(Option::is_some) {
            recent.weights.push_back((now, weight));
        }
        Ok(())
    }

    /// A request that was let in is over.
    pub(super) fn leave(&mut self, bucket: &Bucket) {
        if let Some(recent) = self.recent.get_mut(bucket) {
            recent.under_way = recent.under_way.saturating_sub(1);
        }
    }

    pub(super) fn set_secondary(&mut self, limits: Secondary) {
        self.secondary = limits;
        for recent in self.recent.values_mut() {
            recent.weights.clear();
            recent.refused_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(points: u64, creates: bool) -> Weight {
        Weight { resource: Resource::Core, points, creates }
    }

    #[test]
    fn each_secondary_limit_refuses_what_goes_over_it_and_all_until_the_wait_is_over() {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let bucket = Bucket::User("u".into());
        let cases = [
            (Secondary { concurrent: Some(2), ..Secondary::default() }, weight(1, false), 2),
            (Secondary { rest_points: Some(11), ..Secondary::default() }, weight(5, false), 2),
            (Secondary { content: Some(3), ..Secondary::default() }, weight(5, true), 3),
            (Secondary { content: Some(3), ..Secondary::default() }, weight(5, false), 100),
            (Secondary { graphql_points: Some(1), ..Secondary::default() }, weight(1, false), 100),
        ];
        for (secondary, weight, fit) in cases {
            let mut limits = Limits { secondary, ..Limits::default() };
            let let_in = (0..100)
                .take_while(|_| limits.enter(bucket.clone(), weight, start).is_ok())
                .count();
            assert_eq!(let_in, fit, "{secondary:?}");
            if fit == 100 {
                continue;
            }
            (0..fit).for_each(|_| limits.leave(&bucket));
            let later = start.saturating_add(SignedDuration::from_secs(59)).unwrap();
            assert_eq!(limits.enter(bucket.clone(), weight, later), Err(1));
            let over = start.saturating_add(SignedDuration::from_secs(60)).unwrap();
            assert_eq!(limits.enter(bucket.clone(), weight, over), Ok(()));
        }
    }

    #[test]
    fn the_longest_wait_that_was_told_counts() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let key = (Bucket::Installation(1), Resource::Graphql);
        let mut limits = Limits::default();
        limits.tell(key.clone(), at(50));
        limits.tell(key.clone(), at(20));
        assert_eq!(limits.told(&key, at(49)), Some(at(50)));
        assert_eq!(limits.told(&key, at(50)), None);
    }
}
