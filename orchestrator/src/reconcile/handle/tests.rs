//! What the HTTP side learns of the reconciler, and how it has it look.

use super::super::testing::{Bench, at};
use super::*;

#[tokio::test]
async fn that_the_engine_does_not_answer_is_known_beside_when_it_last_did() {
    let bench = Bench::new();
    bench.reconciler.backends.docker().readers.list().await.unwrap();
    assert_eq!(bench.handle.contact(), Seen { answered_at: Some(at(0)), silent: None });
    bench.set(20);
    bench.backend.state().away = true;
    let error = bench.reconciler.backends.docker().readers.list().await.unwrap_err();
    let silent = Some(error.to_string());
    assert_eq!(bench.handle.contact(), Seen { answered_at: Some(at(0)), silent });
}

#[tokio::test]
async fn a_request_has_a_pass_begin_and_so_has_a_nudge() {
    let bench = Bench::new();
    let is_nudged =
        async || futures::poll!(std::pin::pin!(bench.reconciler.nudge.notified())).is_ready();
    assert!(!is_nudged().await);
    let mut asked = std::pin::pin!(bench.handle.cleanup(true));
    assert!(futures::poll!(&mut asked).is_pending());
    assert!(is_nudged().await);
    assert!(!is_nudged().await);
    bench.handle.nudge();
    assert!(is_nudged().await);
}
