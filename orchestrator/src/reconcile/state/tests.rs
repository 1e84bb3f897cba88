//! When GitHub is next asked.

use super::super::testing::{Bench, at};
use super::*;

#[tokio::test]
async fn the_next_check_is_as_soon_as_is_due_without_webhooks_or_with_them() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    assert!(state.next_check(at(0)) < at(0), "at once");
    state.checked_at = at(0);
    state.check_wait =
        CheckWait { alone: SignedDuration::from_secs(30), told: SignedDuration::from_secs(300) };
    assert_eq!(state.next_check(at(1)), at(30));
    state.hearing.heard(at(0));
    assert_eq!(state.next_check(at(1)), at(300));
    assert_eq!(state.next_check(at(0)), at(300));
    // The clock was set back.
    assert_eq!(state.next_check(at(-1)), at(-1));
}
