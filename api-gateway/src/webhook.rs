//! What `POST /webhooks/github` needs: the secrets, room for bodies, and who sent wrong signatures.
//!
//! Why it has limits of its own, and not those of the API:
//!
//! * A delivery that is signed is never limited. A run with a matrix of 256 jobs makes over 256 deliveries at once, from a
//!   handful of GitHub's addresses (or from one, behind a reverse proxy), and GitHub does not repeat what was refused.
//! * A wrong signature draws on the quota of the address it comes from ([`suspects`]). A larger body draws more, as does
//!   one that comes too slowly or breaks off: room was held for it. One that had the place for large bodies draws all of the quota.
//!   Guessing is hopeless; the quota keeps a guesser, or a hook with the wrong secret, from filling the log, and slow senders from
//!   holding the room. A right signature counts even from such an address: behind a shared one, a stranger could otherwise shut
//!   GitHub out.
//! * Who signs is known only after the whole body was read, so bodies of strangers are read too. What they may cost is
//!   bounded by bytes ([`body`]), for all together and for each address, with one place for large bodies: they wait for each other
//!   and never for room that ordinary ones have. Of that, a part is for small bodies alone, such as those about jobs. An address that has
//!   used up its quota does not get the place, and other room only while others leave half of it free.
//!
//! Invariant: no byte of a body is interpreted before its signature was found right.

pub(crate) mod body;
mod examine;
pub(crate) mod suspects;

use mayfly_common::webhook::signature::Secrets;

use body::Room;
pub(crate) use examine::{Examined, examine};
use suspects::Suspects;

/// What the deliveries share.
pub(crate) struct Webhooks {
    pub(crate) secrets: Secrets,
    pub(crate) room: Room,
    pub(crate) suspects: Suspects,
}

impl Webhooks {
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self { secrets, room: Room::new(), suspects: Suspects::new() }
    }
}
