//! A simulator for tests, which looks at its whole history when it goes.

use std::io;
use std::ops::Deref;
use std::thread;

use crate::{Sim, SimConfig};

/// A [`Sim`] that panics when it is dropped if anything in its world's history or present breaks an invariant of GitHub
/// ([`World::violations`](crate::world::World::violations)): no test passes because it forgot to ask. A test that fails already is
/// left alone.
pub struct Checked(Sim);

impl Checked {
    /// Starts a simulator as [`Sim::start`] does.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        Sim::start(config).await.map(Self)
    }
}

impl Deref for Checked {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.0
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if !thread::panicking() {
            let found = self.0.with(|world| world.violations());
            assert!(found.is_empty(), "the simulated GitHub saw what must not be: {found:#?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::violate;

    #[tokio::test]
    #[should_panic(expected = "octo-org/tools is not found by its id")]
    async fn a_broken_history_fails_a_test_that_does_not_ask() {
        let sim = Checked::start(SimConfig::default()).await.expect("a loopback listener");
        sim.with(violate);
    }
}
