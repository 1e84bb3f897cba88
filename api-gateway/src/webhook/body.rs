//! Reading bodies of deliveries within a fixed amount of memory.
//!
//! Invariants: what is held for bodies never exceeds [`ORDINARY_ROOM`] + [`MAX_BODY`] (and as much again as one large form
//! decodes to), however many come at once and whatever length they announce, because room is taken as bytes arrive; nobody
//! who holds room waits for more of it, so no two bodies can block each other; no address holds more than a share of it; bodies
//! larger than [`SMALL`] leave a part of it to the others; a body that comes slower than [`MIN_SPEED`], or stands still for
//! [`STALL`], is given up; a suspect gets room only while others leave half of it free, and never the place for large bodies.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt as _;
use mayfly_common::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::suspects::{QUOTA, SLOW, Suspects};
use crate::shares::{Share, Shares};

/// Largest body taken, in bytes: GitHub's cap of 25 MB (docs: "Webhook events and payloads", "Payload cap").
pub(crate) const MAX_BODY: usize = 25 * 1024 * 1024;
/// Up to here a body is an ordinary one, in bytes. A job is about 10 kB; only a push with many commits is larger.
pub(crate) const ORDINARY: usize = 256 * 1024;
/// Up to here a body is small, in bytes: as a delivery about a job is.
const SMALL: usize = 32 * 1024;
/// How long a body may take: GitHub waits for an answer no longer than that (docs: "Best practices for using webhooks").
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a large body waits for its place; it must be less than [`BODY_TIMEOUT`].
const PLACE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long is read what nobody looks at.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes a second that a body must come with after its first second: a sender far away with a slow line has more.
const MIN_SPEED: u32 = 32 * 1024;
/// The same for a body that has the place for large ones, for which others wait.
const LARGE_SPEED: u32 = 256 * 1024;
/// How long a body may stand still.
const STALL: Duration = Duration::from_secs(2);
/// Memory for the ordinary bodies together, in bytes.
const ORDINARY_ROOM: usize = 16 * 1024 * 1024;
/// How much of it one address may hold: over 300 deliveries of jobs at once, and some of anything else that is ordinary.
const ROOM_OF_ONE: usize = ORDINARY_ROOM / 4;
/// The part of the room that only small bodies may take, in bytes: strangers who send larger ones cannot keep jobs out.
const ROOM_OF_SMALL: usize = ORDINARY_ROOM / 4;
/// How many large bodies of one address are read or wait for the place.
const LARGE_OF_ONE: usize = 4;
/// What room is counted in, in bytes.
const UNIT: usize = 1024;
/// First capacity for a body that does not say how long it is.
const FIRST: usize = 16 * 1024;
/// When to try again where there is no room, in seconds.
const RETRY_AFTER: u64 = 5;

/// Room for the bodies that are being read or examined.
pub(crate) struct Room {
    /// In units, for the ordinary bodies.
    ordinary: Arc<Semaphore>,
    /// The one place for a large body.
    large: Arc<Semaphore>,
    /// Units of ordinary room, by address.
    shares: Shares<IpAddr>,
    /// Large bodies, by address.
    queue: Shares<IpAddr>,
}

/// Who sends a body.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// Its address; the /64 of an IPv6 one.
    pub(crate) address: IpAddr,
    /// Those who have used up their quota of bodies that were not signed, or came too slowly.
    pub(crate) suspects: &'a Suspects,
}

impl Sender<'_> {
    fn is_suspect(self) -> bool {
        self.suspects.has_none_left(self.address, Instant::now())
    }
}

/// A body and the room it takes up.
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
    place: Option<(OwnedSemaphorePermit, Share<IpAddr>)>,
    share: Share<IpAddr>,
}

/// A body that was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) why: Unread,
    /// The number of wrong signatures that it counts as; 0 if its sender did nothing wrong.
    pub(crate) weight: u32,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than [`MAX_BODY`].
    TooLarge,
    /// It is large, and its sender may send ordinary ones only.
    Suspect,
    /// There is no room for it now.
    NoRoom,
    /// It did not arrive in time, or came too slowly.
    TooSlow,
    /// It ended early.
    Broken,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            ordinary: Arc::new(Semaphore::new(ORDINARY_ROOM / UNIT)),
            large: Arc::new(Semaphore::new(1)),
            shares: Shares::new(ROOM_OF_ONE / UNIT),
            queue: Shares::new(LARGE_OF_ONE),
        }
    }

    /// Reads `body`, whose head announced `declared` bytes; of a suspect none that is larger than [`ORDINARY`].
    pub(crate) async fn read(
        &self,
        body: Body,
        declared: Option<usize>,
        from: Sender<'_>,
    ) -> Result<Held, GivenUp> {
        if declared.is_some_and(|length| length > MAX_BODY) {
            return Err(GivenUp { why: Unread::TooLarge, weight: 0 });
        }
        let share = self.shares.of(from.address);
        let mut held = Held { bytes: Vec::new(), room: None, place: None, share };
        let read = timeout(BODY_TIMEOUT, self.collect(&mut held, body, declared, from)).await;
        match read.unwrap_or(Err(Unread::TooSlow)) {
            Ok(()) => Ok(held),
            Err(why) => Err(GivenUp { why, weight: why.weight(&held) }),
        }
    }

    async fn collect(
        &self,
        held: &mut Held,
        mut body: Body,
        declared: Option<usize>,
        from: Sender<'_>,
    ) -> Result<(), Unread> {
        // Whoever announces a large body waits before it takes up any room.
        if declared.is_some_and(|length| length > ORDINARY) {
            if from.is_suspect() {
                return Err(Unread::Suspect);
            }
            let queued = self.queue.take(from.address).ok_or(Unread::NoRoom)?;
            let place = timeout(PLACE_TIMEOUT, Arc::clone(&self.large).acquire_owned()).await;
            let place = place.ok().and_then(Result::ok).ok_or(Unread::NoRoom)?;
            // It may have become one while it waited.
            if from.is_suspect() {
                return Err(Unread::Suspect);
            }
            held.place = Some((place, queued));
        }
        let started = Instant::now();
        loop {
            let speed = if held.is_large() { LARGE_SPEED } else { MIN_SPEED };
            let deadline = slowest(started, held.bytes.len(), speed).min(Instant::now() + STALL);
            let Some(frame) =
                timeout_at(deadline, body.frame()).await.map_err(|_| Unread::TooSlow)?
            else {
                return Ok(());
            };
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            let needed = held.bytes.len() + data.len();
            if needed > MAX_BODY {
                return Err(Unread::TooLarge);
            }
            if needed > ORDINARY && held.place.is_none() {
                if from.is_suspect() {
                    return Err(Unread::Suspect);
                }
                // It has room already, so it may not wait. GitHub announces its lengths.
                let queued = self.queue.take(from.address).ok_or(Unread::NoRoom)?;
                let place = Arc::clone(&self.large).try_acquire_owned();
                held.place = Some((place.map_err(|_| Unread::NoRoom)?, queued));
                held.room = None;
                held.share.clear();
            }
            if needed > held.bytes.capacity() {
                self.grow(held, needed, declared, from)?;
            }
            held.bytes.extend_from_slice(&data);
        }
    }

    /// Makes `held` able to hold `needed` bytes and more, up to the length that was declared.
    fn grow(
        &self,
        held: &mut Held,
        needed: usize,
        declared: Option<usize>,
        from: Sender<'_>,
    ) -> Result<(), Unread> {
        let most = if held.place.is_some() { MAX_BODY } else { ORDINARY };
        let likely = declared.unwrap_or(FIRST).min(FIRST);
        let doubled = held.bytes.capacity() * 2;
        let capacity = needed.max(likely).max(doubled).min(declared.unwrap_or(most)).min(most);
        // A body longer than it declared does not come through HTTP; a caller without a socket could send one.
        let capacity = capacity.max(needed);
        if held.place.is_none() {
            let have = held.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let units = capacity.div_ceil(UNIT).saturating_sub(have);
            let left = self.ordinary.available_permits().saturating_sub(units);
            // Others may need the room, and a suspect has shown that it wastes it.
            let kept = if from.is_suspect() {
                ORDINARY_ROOM / 2
            } else if capacity > SMALL {
                ROOM_OF_SMALL
            } else {
                0
            };
            if left < kept / UNIT {
                return Err(Unread::NoRoom);
            }
            if !held.share.grow(units) {
                return Err(Unread::NoRoom);
            }
            let units = u32::try_from(units);
            let more = units.map(|units| Arc::clone(&self.ordinary).try_acquire_many_owned(units));
            let Ok(Ok(more)) = more else { return Err(Unread::NoRoom) };
            match &mut held.room {
                Some(room) => room.merge(more),
                none => *none = Some(more),
            }
        }
        held.bytes.reserve_exact(capacity - held.bytes.len());
        Ok(())
    }
}

/// When so many bytes must have been followed by more, at `speed` bytes a second after a first second.
fn slowest(started: Instant, received: usize, speed: u32) -> Instant {
    let received = u32::try_from(received).unwrap_or(u32::MAX);
    started + Duration::from_secs(1) + Duration::from_secs(1) * received / speed
}

/// Reads an ordinary body that nobody looks at, so that its sender hears the answer: a connection that is closed while
/// somebody writes loses it.
pub(crate) async fn discard(mut body: Body) {
    let rest = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, axum::body::Bytes::len);
            if read > ORDINARY {
                break;
            }
        }
    };
    // Whoever is slower than that does without the answer.
    let _ = timeout(DISCARD_TIMEOUT, rest).await;
}

impl Held {
    /// The number of wrong signatures that this body counts as if its own is wrong: more for more room, and a whole quota for the
    /// place for large bodies.
    pub(crate) fn weight(&self) -> u32 {
        match self.place {
            Some(_) => QUOTA,
            None => u32::try_from(self.bytes.capacity().div_ceil(FIRST)).unwrap_or(QUOTA).max(1),
        }
    }

    /// True if examining it takes longer than a request may keep others waiting.
    pub(crate) fn is_large(&self) -> bool {
        self.place.is_some()
    }
}

impl Unread {
    /// The number of wrong signatures that a body counts as which held so much room.
    fn weight(self, held: &Held) -> u32 {
        match self {
            Self::TooSlow | Self::Broken | Self::TooLarge => held.weight().max(SLOW),
            Self::Suspect | Self::NoRoom => 0,
        }
    }

    /// What the sender is told.
    pub(crate) fn problem(self) -> Problem {
        match self {
            Self::TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload-too-large",
                "The body is too large",
            )
            .with_detail(format!("At most {MAX_BODY} bytes are taken.")),
            Self::Suspect => crate::rate_limit::too_many(RETRY_AFTER),
            Self::NoRoom => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "There is no room for this delivery now",
            )
            .with_detail("Too many bodies are being read. Have GitHub deliver it again.")
            .with_retry_after(RETRY_AFTER),
            Self::TooSlow => {
                Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body came too slowly")
            }
            Self::Broken => Problem::malformed("The body ended early."),
        }
    }
}

#[cfg(test)]
mod tests;
