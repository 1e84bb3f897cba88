//! The budget: every limit of every account, in one place, and who may spend what is left.
//!
//! Pure: it takes the time and GitHub's headers as values and sends nothing. Facts are from "Rate limits for the REST API",
//! "Rate limits and query limits for the GraphQL API" and "Best practices for using the REST API".
//!
//! Invariants: nothing is asked while a limit lasts that GitHub told about; what a waiting job needs comes first, because
//! everything else stops while some of the hour's requests are left.

mod held;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mayfly_planner::explain::{ASKED_FOR_QUIET, MINUTE_SPENT};

pub use self::held::{Cause, Held};

/// Who pays for a request. All tokens of a user share a bucket; each installation of an App has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// The user behind the token.
    User,
    /// The App itself.
    App,
    /// An installation of the App, by its id.
    Installation(i64),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("token"),
            Self::App => f.write_str("app"),
            Self::Installation(id) => write!(f, "installation {id}"),
        }
    }
}

/// Which of an account's buckets (`x-ratelimit-resource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// The REST API.
    Core,
    /// The GraphQL API, in points.
    Graphql,
}

impl Resource {
    /// As GitHub spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Graphql => "graphql",
        }
    }

    /// Points a minute before GitHub's secondary limit: 900 for REST (of one endpoint; counted here for all), 2,000 for GraphQL.
    fn points_a_minute(self) -> u32 {
        match self {
            Self::Core => 900,
            Self::Graphql => 2_000,
        }
    }
}

/// What a request is for, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A job waits for it, or a runner ends: registrations are made and deleted.
    Job,
    /// Finds waiting jobs and looks after runners.
    Demand,
    /// Finds repositories and reads workflows.
    Discovery,
    /// Everything that can wait for hours.
    Upkeep,
}

impl Priority {
    /// How many of the hour's requests must be left, beyond this one, so that it may be spent on this.
    fn reserve(self, limit: u64) -> u64 {
        match self {
            Self::Job => 0,
            Self::Demand => JOB_RESERVE.min(limit / 4),
            Self::Discovery => (limit / 10).max(JOB_RESERVE.min(limit / 4)),
            Self::Upkeep => limit / 4,
        }
    }

    /// The share of a minute's points it may use, in percent: a burst of one kind must not shut out the kinds before it.
    fn share_of_minute(self) -> u32 {
        match self {
            Self::Job => 95,
            Self::Demand => 80,
            Self::Discovery => 60,
            Self::Upkeep => 40,
        }
    }
}

/// Requests of the hour that only registrations may use.
const JOB_RESERVE: u64 = 20;
/// First wait after a secondary limit that came without a time; it doubles with each further one ("Exceeding the rate limit").
const SECONDARY_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// Longest such wait.
const SECONDARY_WAIT_MOST: SignedDuration = SignedDuration::from_mins(15);
/// The wait after a second 401 in a row; one alone may pass by itself. If requests with a bad credential go on, GitHub refuses even
/// good ones from this address ("Authenticating to the REST API", "Failed login limit").
const CREDENTIAL_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// Two resets within this time are the same window: GitHub's servers round differently.
const SAME_WINDOW: SignedDuration = SignedDuration::from_secs(5);
/// The window of the points.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// One bucket, as GitHub's headers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests (points) an hour.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// When the hour ends.
    pub reset: Timestamp,
}

/// A limit that GitHub told about by refusing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The hour's requests are spent until then.
    Primary(Timestamp),
    /// Too much at once; until then if GitHub named a time.
    Secondary(Option<Timestamp>),
    /// The credential is not accepted.
    Credential,
}

/// All limits.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    buckets: BTreeMap<(Account, Resource), Bucket>,
    shut: BTreeMap<Account, Shut>,
}

#[derive(Debug, Clone, Default)]
struct Bucket {
    limit: Option<Limit>,
    /// Requests sent and not answered yet.
    under_way: u64,
    minute: Option<(Timestamp, u32)>,
    /// Requests that counted since the last check began.
    spent: u64,
}

#[derive(Debug, Clone)]
struct Shut {
    until: Timestamp,
    cause: Cause,
    why: &'static str,
    /// How often in a row.
    strikes: u32,
}

impl Shut {
    fn held(&self) -> Held {
        Held { until: self.until, cause: self.cause, why: self.why.to_owned() }
    }
}

impl Budget {
    /// Asks for leave to send a request of `points` (1 for reading, 5 for changing). Leave counts as use until [`Self::answered`].
    ///
    /// Errors: it must wait.
    pub fn admit(
        &mut self,
        account: Account,
        resource: Resource,
        priority: Priority,
        points: u32,
        now: Timestamp,
    ) -> Result<(), Held> {
        if let Some(shut) = self.shut.get(&account).filter(|shut| shut.until > now) {
            return Err(shut.held());
        }
        let bucket = self.buckets.entry((account, resource)).or_default();
        if let Some(limit) = bucket.limit.filter(|limit| limit.reset > now) {
            let free = limit.remaining.saturating_sub(bucket.under_way);
            let reserve = priority.reserve(limit.limit);
            if free <= reserve {
                let (cause, kept) = match limit.remaining {
                    0 => (Cause::Limit, ""),
                    _ => (Cause::Kept, ", kept for waiting jobs"),
                };
                let why = format!("{}{kept}", left(limit, resource));
                return Err(Held { until: limit.reset, cause, why });
            }
        }
        let (began, used) =
            bucket.minute.filter(|(began, _)| in_minute(*began, now)).unwrap_or((now, 0));
        if (used + points) * 100 > resource.points_a_minute() * priority.share_of_minute() {
            let why = MINUTE_SPENT.to_owned();
            return Err(Held { until: later(began, MINUTE), cause: Cause::Kept, why });
        }
        bucket.minute = Some((began, used + points));
        bucket.under_way += 1;
        Ok(())
    }

    /// The request admitted before is over. `limit` is what the answer's headers say, `counted` whether it used up some of the
    /// hour (an unchanged answer, 304, does not).
    pub fn answered(
        &mut self,
        account: Account,
        resource: Resource,
        limit: Option<Limit>,
        counted: bool,
        now: Timestamp,
    ) {
        let bucket = self.buckets.entry((account, resource)).or_default();
        bucket.under_way = bucket.under_way.saturating_sub(1);
        bucket.spent += u64::from(counted);
        let Some(told) = limit.filter(|told| told.reset > now) else { return };
        bucket.limit = Some(match bucket.limit {
            // Answers overtake each other: within a window the least is the latest.
            Some(known) if same_window(known.reset, told.reset) => {
                Limit { remaining: known.remaining.min(told.remaining), ..told }
            }
            // An hour that ends earlier than the one known is believed if that is the more careful reading.
            Some(known) if known.reset > told.reset && known.remaining <= told.remaining => known,
            _ => told,
        });
    }

    /// GitHub refused. Answers until when nothing is asked, and why.
    pub fn told(
        &mut self,
        account: Account,
        resource: Resource,
        told: Told,
        now: Timestamp,
    ) -> Held {
        let quiet = ASKED_FOR_QUIET;
        let (until, cause, why) = match told {
            Told::Primary(reset) => {
                let bucket = self.buckets.entry((account, resource)).or_default();
                let limit = bucket.limit.map_or(0, |limit| limit.limit);
                let spent = Limit { limit, remaining: 0, reset };
                bucket.limit = Some(spent);
                return Held { until: reset, cause: Cause::Limit, why: left(spent, resource) };
            }
            Told::Secondary(Some(until)) => (until, Cause::Limit, quiet),
            Told::Secondary(None) => {
                let wait = doubled(SECONDARY_WAIT, self.strikes(account, Cause::Limit));
                (later(now, wait), Cause::Limit, quiet)
            }
            Told::Credential => {
                let why = "GitHub does not accept the credential (401)";
                let confirmed = self.strikes(account, Cause::Credential) > 0;
                let until = if confirmed { later(now, CREDENTIAL_WAIT) } else { now };
                (until, Cause::Credential, why)
            }
        };
        let shut = self.shut.get(&account).filter(|shut| shut.until > until);
        if let Some(quiet) = shut.filter(|shut| shut.cause != cause) {
            return quiet.held();
        }
        let strikes = self.strikes(account, cause) + 1;
        let shut = Shut { until, cause, why, strikes };
        let held = shut.held();
        self.shut.insert(account, shut);
        held
    }

    /// GitHub did what it was asked: the next wait is a short one again. An answer that was under way when GitHub asked for
    /// quiet does not end the quiet.
    pub fn succeeded(&mut self, account: Account, now: Timestamp) {
        self.shut.retain(|shut, state| *shut != account || state.until > now);
    }

    /// Another credential was found for the account: it may be tried at once. If it is refused, too, that is the second time.
    pub fn renewed(&mut self, account: Account) {
        let refused = self.shut.get_mut(&account).filter(|shut| shut.cause == Cause::Credential);
        if let Some(shut) = refused {
            shut.until = Timestamp::MIN;
        }
    }

    /// A check begins: what is spent from now on is the cost of this one.
    pub fn check_began(&mut self) {
        for bucket in self.buckets.values_mut() {
            bucket.spent = 0;
        }
    }

    /// How long to wait between two checks, at least `interval`: so long that checks as dear as the last one fit into what is
    /// left of the hour beyond the reserve for jobs.
    pub fn stretch(&self, interval: SignedDuration, now: Timestamp) -> SignedDuration {
        let stretched = self.buckets.values().filter_map(|bucket| {
            let limit = bucket.limit.filter(|limit| limit.reset > now)?;
            let usable = limit.remaining.saturating_sub(Priority::Demand.reserve(limit.limit));
            let left = limit.reset.duration_since(now);
            if bucket.spent == 0 {
                return None;
            }
            let checks = usable / bucket.spent;
            let checks = i32::try_from(checks).unwrap_or(i32::MAX);
            Some(if checks == 0 { left } else { left / checks })
        });
        stretched.fold(interval, SignedDuration::max)
    }

    /// How often GitHub may be asked about runners that are starting or ending: none for as often as is useful.
    ///
    /// When less than a tenth of an hour's requests is left, what remains beyond the reserve is spread over the rest of the hour.
    pub fn pace(&self, now: Timestamp) -> Option<SignedDuration> {
        let paces = self.buckets.iter().filter_map(|((_, resource), bucket)| {
            let limit =
                bucket.limit.filter(|limit| limit.reset > now && *resource == Resource::Core)?;
            if limit.remaining >= limit.limit / 10 && limit.remaining > 3 * JOB_RESERVE {
                return None;
            }
            let usable = limit.remaining.saturating_sub(Priority::Demand.reserve(limit.limit));
            let usable = i32::try_from(usable.max(1)).unwrap_or(i32::MAX);
            Some(limit.reset.duration_since(now) / usable)
        });
        paces.max()
    }

    /// What is known of every bucket whose hour has not ended.
    pub fn limits(&self, now: Timestamp) -> Vec<(Account, Resource, Limit)> {
        let known = self.buckets.iter().filter_map(|((account, resource), bucket)| {
            Some((*account, *resource, bucket.limit.filter(|limit| limit.reset > now)?))
        });
        known.collect()
    }

    /// Why, and until when, requests of `priority` wait; none if none does.
    pub fn waiting(&self, priority: Priority, now: Timestamp) -> Option<Held> {
        let mut probe = self.clone();
        let keys = probe.buckets.keys().copied().collect::<Vec<_>>();
        let held = keys.into_iter().filter_map(|(account, resource)| {
            let held = probe.admit(account, resource, priority, 1, now).err()?;
            Some(Held { why: format!("{account}: {}", held.why), ..held })
        });
        held.max_by_key(|held| held.until)
    }

    /// Number of times in a row that the account was shut for this cause.
    fn strikes(&self, account: Account, cause: Cause) -> u32 {
        let shut = self.shut.get(&account).filter(|shut| shut.cause == cause);
        shut.map_or(0, |shut| shut.strikes)
    }
}

/// How many of an hour's requests are left, in words. Where only a refusal told of the limit, how many there are is not known.
fn left(Limit { limit, remaining, .. }: Limit, resource: Resource) -> String {
    let resource = resource.as_str();
    match limit {
        0 => format!("no {resource} requests of this hour are left"),
        _ => format!("{remaining} of {limit} {resource} requests of this hour are left"),
    }
}

fn in_minute(began: Timestamp, now: Timestamp) -> bool {
    (SignedDuration::ZERO..MINUTE).contains(&now.duration_since(began))
}

fn same_window(a: Timestamp, b: Timestamp) -> bool {
    a.duration_since(b).abs() <= SAME_WINDOW
}

fn doubled(first: SignedDuration, times: u32) -> SignedDuration {
    first.saturating_mul(1 << times.min(10)).min(SECONDARY_WAIT_MOST)
}

fn later(from: Timestamp, wait: SignedDuration) -> Timestamp {
    from.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
