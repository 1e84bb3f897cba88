//! Reading bodies of deliveries within a fixed amount of memory.
//!
//! Invariants: what is held for bodies never exceeds [`ORDINARY_ROOM`] + [`MAX_BODY`] (and as much again as one large form
//! decodes to), however many come at once and whatever length they announce, because room is taken as bytes arrive; nobody
//! who holds room waits for more of it, so no two bodies can block each other.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt as _;
use mayfly_common::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Largest body taken, in bytes: GitHub's cap of 25 MB (docs: "Webhook events and payloads", "Payload cap").
pub(crate) const MAX_BODY: usize = 25 * 1024 * 1024;
/// Up to here a body is an ordinary one, in bytes. A job is about 10 kB; only a push with many commits is larger.
pub(crate) const ORDINARY: usize = 256 * 1024;
/// How long a body may take: GitHub waits for an answer no longer than that (docs: "Best practices for using webhooks").
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a large body waits for its place; it must be less than [`BODY_TIMEOUT`].
const PLACE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long is read what nobody looks at.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// Memory for the ordinary bodies together, in bytes.
const ORDINARY_ROOM: usize = 16 * 1024 * 1024;
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
}

/// A body and the room it takes up.
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
    place: Option<OwnedSemaphorePermit>,
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
    /// It did not arrive in time.
    TooSlow,
    /// It ended early.
    Broken,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            ordinary: Arc::new(Semaphore::new(ORDINARY_ROOM / UNIT)),
            large: Arc::new(Semaphore::new(1)),
        }
    }

    /// Reads `body`, whose head announced `declared` bytes; one larger than [`ORDINARY`] only if that `may_be_large`.
    pub(crate) async fn read(
        &self,
        body: Body,
        declared: Option<usize>,
        may_be_large: bool,
    ) -> Result<Held, Unread> {
        if declared.is_some_and(|length| length > MAX_BODY) {
            return Err(Unread::TooLarge);
        }
        let read = timeout(BODY_TIMEOUT, self.collect(body, declared, may_be_large));
        read.await.unwrap_or(Err(Unread::TooSlow))
    }

    async fn collect(
        &self,
        mut body: Body,
        declared: Option<usize>,
        may_be_large: bool,
    ) -> Result<Held, Unread> {
        let mut held = Held { bytes: Vec::new(), room: None, place: None };
        // Whoever announces a large body waits before it takes up any room.
        if declared.is_some_and(|length| length > ORDINARY) {
            if !may_be_large {
                return Err(Unread::Suspect);
            }
            let place = timeout(PLACE_TIMEOUT, Arc::clone(&self.large).acquire_owned()).await;
            held.place = Some(place.ok().and_then(Result::ok).ok_or(Unread::NoRoom)?);
        }
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            let needed = held.bytes.len() + data.len();
            if needed > MAX_BODY {
                return Err(Unread::TooLarge);
            }
            if needed > ORDINARY && held.place.is_none() {
                if !may_be_large {
                    return Err(Unread::Suspect);
                }
                // It has room already, so it may not wait. GitHub announces its lengths.
                let place = Arc::clone(&self.large).try_acquire_owned();
                held.place = Some(place.map_err(|_| Unread::NoRoom)?);
                held.room = None;
            }
            if needed > held.bytes.capacity() {
                self.grow(&mut held, needed, declared)?;
            }
            held.bytes.extend_from_slice(&data);
        }
        Ok(held)
    }

    /// Makes `held` able to hold `needed` bytes and more, up to the length that was declared.
    fn grow(&self, held: &mut Held, needed: usize, declared: Option<usize>) -> Result<(), Unread> {
        let most = if held.place.is_some() { MAX_BODY } else { ORDINARY };
        let likely = declared.unwrap_or(FIRST).min(FIRST);
        let doubled = held.bytes.capacity() * 2;
        let capacity = needed.max(likely).max(doubled).min(declared.unwrap_or(most)).min(most);
        // A body longer than it declared does not come through HTTP; a caller without a socket could send one.
        let capacity = capacity.max(needed);
        if held.place.is_none() {
            let have = held.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let units = u32::try_from(capacity.div_ceil(UNIT).saturating_sub(have));
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
    /// Whether examining it takes longer than a request may keep others waiting.
    pub(crate) fn is_large(&self) -> bool {
        self.place.is_some()
    }
}

impl Unread {
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
