//! What the simulator remembers about requests, for tests that count or check them.

use std::collections::BTreeMap;

use serde::Serialize;

/// Requests seen since the start or the last reset.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) counts: BTreeMap<(String, String, u16), u64>,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) hammered: u64,
}

/// Most requests that are kept whole; beyond it the oldest half is forgotten, so a long-lived simulator does not grow.
const MAX_RECORDED: usize = 20_000;

/// One request to the REST API, as it came, and the status it was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The HTTP method.
    pub method: String,
    /// The path and query as the client sent them, percent-encoded, without the prefix of the GHES form.
    pub path_and_query: String,
    /// The route that took it, in the spelling of GitHub's description; `unmatched` if none did.
    pub route: String,
    /// The body.
    pub body: Vec<u8>,
    /// The status of the answer; 0 if none was sent, because the client left or the simulator stopped.
    pub status: u16,
}

/// How many requests there were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// All requests, whatever the answer.
    pub total: u64,
    /// Those answered 304 Not Modified, which cost nothing of the primary rate limit.
    pub not_modified: u64,
    /// Those sent while a limit lasted that the client had been told about.
    pub hammered: u64,
    /// By method, route and status.
    pub routes: Vec<RouteCount>,
}

/// How many requests of one kind there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteCount {
    /// The HTTP method.
    pub method: String,
    /// The route in the spelling of GitHub's description.
    pub route: String,
    /// The status of the answers.
    pub status: u16,
    /// How many.
    pub count: u64,
}

impl Counters {
    /// Requests to this method and route, whatever the answer.
    pub fn of(&self, method: &str, route: &str) -> u64 {
        let same = |count: &&RouteCount| count.method == method && count.route == route;
        self.routes.iter().filter(same).map(|count| count.count).sum()
    }
}

impl Observed {
    /// Notes one request; only those to the REST API are counted and kept.
    pub(crate) fn note(&mut self, request: Recorded) {
        let key = (request.method.clone(), request.route.clone(), request.status);
        *self.counts.entry(key).or_default() += 1;
        if self.recorded.len() >= MAX_RECORDED {
            self.recorded.drain(..MAX_RECORDED / 2);
        }
        self.recorded.push(request);
    }

    pub(crate) fn counters(&self) -> Counters {
        let routes: Vec<RouteCount> = self
            .counts
            .iter()
            .map(|((method, route, status), &count)| RouteCount {
                method: method.clone(),
                route: route.clone(),
                status: *status,
                count,
            })
            .collect();
        let sum = |keep: fn(&RouteCount) -> bool| {
            routes.iter().filter(|count| keep(count)).map(|count| count.count).sum()
        };
        Counters {
            total: sum(|_| true),
            not_modified: sum(|count| count.status == 304),
            hammered: self.hammered,
            routes,
        }
    }
}
