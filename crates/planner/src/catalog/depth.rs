//! How deep the next listing of repositories goes.

use jiff::Timestamp;
use mayfly_common::repository::Depth;

use super::{Catalog, RECHECK};

impl Catalog {
    /// How far the next listing must go.
    pub fn depth(&self, now: Timestamp) -> Depth {
        let fresh = self.whole_at.is_some_and(|at| now.duration_since(at) < RECHECK);
        if fresh { Depth::Recent } else { Depth::Whole }
    }

    /// True if no listing was complete yet: until then discovery is all that can find jobs.
    pub fn is_cold(&self) -> bool {
        self.whole_at.is_none()
    }

    /// The next listing must be a whole one: something moved.
    pub fn distrust(&mut self) {
        if let Some(at) = &mut self.whole_at {
            *at = Timestamp::UNIX_EPOCH;
        }
    }
}
