//! Deliveries: what was or is to be sent to which hook, and what came of it.
//!
//! The world only queues and remembers; a task outside its lock sends. Source: GitHub docs, "Viewing webhook deliveries",
//! "Handling failed webhook deliveries": GitHub never sends a delivery again by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::events::Event;
use super::hooks::{Hook, HookPlace, LastResponse};
use super::{Refusal, World};

/// How long a delivery is remembered (GitHub docs, "Redelivering webhooks": three days).
pub const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long a receiver has to answer (GitHub docs, "Best practices for using webhooks": ten seconds).
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Most deliveries that are remembered, so that a long-lived simulator does not grow.
const MAX_DELIVERIES: usize = 20_000;

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The status of the answer; GitHub gives 502 where nothing answered and 504 where nothing answered in time.
    pub status_code: u16,
    /// In words: `OK`, `Invalid HTTP Response: 500`, `failed to connect to host`, `timed out`.
    pub status: String,
    /// How long it took, in seconds.
    pub duration: f64,
    /// The headers that were sent.
    pub request_headers: BTreeMap<String, String>,
    /// The body that was sent, as JSON.
    pub payload: Value,
    /// The headers of the answer.
    pub response_headers: BTreeMap<String, String>,
    /// The body of the answer, if there was one.
    pub response: Option<String>,
    /// Where it was sent.
    pub url: String,
}

impl Outcome {
    /// True if the receiver took it.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

/// One delivery of an event to a hook.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// GitHub's numeric id; a redelivery has its own.
    pub id: u64,
    /// The hook.
    pub hook: u64,
    /// What is told.
    pub event: Arc<Event>,
    /// True if someone asked for it again.
    pub redelivery: bool,
    /// When it was queued.
    pub delivered_at: Timestamp,
    /// What came of it; `None` until it was sent.
    pub outcome: Option<Outcome>,
}

/// What goes wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryFaultKind {
    /// It is not sent, and recorded as failed.
    Drop,
    /// It is not sent, and nothing remembers it.
    Lose,
    /// It is sent later (`delay_ms`); those behind it overtake it.
    Delay,
    /// It is sent twice.
    Duplicate,
    /// It is sent after the next one to the same hook.
    Reorder,
    /// It is signed with another secret.
    WrongSecret,
}

/// One order for faults of deliveries, used up by those it hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryFault {
    /// What goes wrong.
    pub kind: DeliveryFaultKind,
    /// Only deliveries of this hook.
    #[serde(default)]
    pub hook: Option<u64>,
    /// Only this event, for example `workflow_job`.
    #[serde(default)]
    pub event: Option<String>,
    /// Only this action, for example `queued`.
    #[serde(default)]
    pub action: Option<String>,
    /// How many deliveries it hits.
    #[serde(default = "once")]
    pub times: u64,
    /// Milliseconds to wait, for [`DeliveryFaultKind::Delay`].
    #[serde(default)]
    pub delay_ms: u64,
}

fn once() -> u64 {
    1
}

impl DeliveryFault {
    /// An order that hits the next delivery, whichever it is.
    pub fn next(kind: DeliveryFaultKind) -> Self {
        Self { kind, hook: None, event: None, action: None, times: 1, delay_ms: 0 }
    }

    fn hits(&self, delivery: &Delivery) -> bool {
        let what = &delivery.event.what;
        self.hook.is_none_or(|hook| hook == delivery.hook)
            && self.event.as_ref().is_none_or(|event| event == what.name())
            && self.action.as_deref().is_none_or(|action| what.action() == Some(action))
    }
}

/// A delivery on its way.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) delivery: Delivery,
    pub(crate) hook: Hook,
    pub(crate) fault: Option<DeliveryFault>,
}

impl World {
    /// The deliveries of a hook that were sent, newest first.
    pub fn deliveries(&self, hook: u64) -> impl Iterator<Item = &Delivery> {
        let sent = move |one: &&Delivery| one.hook == hook && one.outcome.is_some();
        self.deliveries.values().rev().filter(sent)
    }

    /// How many deliveries are queued or on their way.
    pub fn deliveries_under_way(&self) -> usize {
        self.outbox.len() + self.under_way
    }

    /// Sends a delivery again: another delivery with the same GUID. Answers its id.
    pub fn redeliver(&mut self, hook: u64, delivery: u64) -> Result<u64, Refusal> {
        let known = self.deliveries.get(&delivery).filter(|one| one.hook == hook);
        let event = Arc::clone(&known.ok_or(Refusal::NotFound("delivery"))?.event);
        self.queue_delivery(hook, event, true).ok_or(Refusal::NotFound("hook"))
    }

    /// Orders something to go wrong with deliveries.
    pub fn add_delivery_fault(&mut self, fault: DeliveryFault) {
        self.delivery_faults.push(fault);
    }

    /// The orders that are left.
    pub fn delivery_faults(&self) -> &[DeliveryFault] {
        &self.delivery_faults
    }

    /// Cancels all orders of things to go wrong with deliveries.
    pub fn clear_delivery_faults(&mut self) {
        self.delivery_faults.clear();
    }

    pub(super) fn queue_delivery(
        &mut self,
        hook: u64,
        event: Arc<Event>,
        redelivery: bool,
    ) -> Option<u64> {
        let target = self.hooks.get(&hook)?.clone();
        let (id, delivered_at) = (self.next_id(), self.now());
        let delivery = Delivery { id, hook, event, redelivery, delivered_at, outcome: None };
        self.deliveries.insert(id, delivery.clone());
        if self.deliveries.len() > MAX_DELIVERIES {
            self.deliveries.pop_first();
        }
        let at = self.delivery_faults.iter().position(|fault| fault.hits(&delivery));
        let fault = at.map(|at| {
            let fault = self.delivery_faults[at].clone();
            self.delivery_faults[at].times -= 1;
            if self.delivery_faults[at].times == 0 {
                self.delivery_faults.remove(at);
            }
            fault
        });
        if fault.as_ref().is_some_and(|fault| fault.kind == DeliveryFaultKind::Lose) {
            self.deliveries.remove(&id);
        } else {
            self.outbox.push_back(Outgoing { delivery, hook: target, fault });
        }
        Some(id)
    }

    /// What is to be sent now; [`World::delivered`] must follow for each.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        let taken: Vec<Outgoing> = self.outbox.drain(..).collect();
        self.under_way += taken.len();
        taken
    }

    /// Notes what came of a delivery.
    pub(crate) fn delivered(&mut self, outgoing: &Outgoing, outcome: Outcome) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(hook) = self.hooks.get_mut(&outgoing.hook.id) {
            let answered = outcome.response.is_some();
            let code = answered.then_some(outcome.status_code);
            let status = if outcome.succeeded() { "active" } else { outcome.status.as_str() };
            hook.last_response = Some(LastResponse { code, status: status.to_owned() });
        }
        if let Some(known) = self.deliveries.get_mut(&outgoing.delivery.id) {
            known.outcome = Some(outcome);
        }
    }

    pub(super) fn forget_deliveries(&mut self, hook: u64) {
        self.deliveries.retain(|_, one| one.hook != hook);
    }

    /// Forgets deliveries that GitHub would have forgotten by now.
    pub(super) fn expire_deliveries(&mut self, now: Timestamp) {
        let old = |one: &Delivery| now.duration_since(one.delivered_at) >= DELIVERIES_KEPT;
        self.deliveries.retain(|_, one| !old(one));
    }

    /// The hook that a place's delivery belongs to, and the delivery if it was sent.
    pub fn delivery(&self, place: &HookPlace, hook: u64, id: u64) -> Result<&Delivery, Refusal> {
        let hook = self.hook(place, hook)?.id;
        let known = self.deliveries.get(&id).filter(|one| one.hook == hook);
        known.filter(|one| one.outcome.is_some()).ok_or(Refusal::NotFound("delivery"))
    }
}
