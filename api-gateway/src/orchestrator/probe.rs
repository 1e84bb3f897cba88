//! What the orchestrator says of itself, asked at most once a second: probes ask for no key, so anybody may send many.

use std::time::Duration;

use axum::body::Bytes;
use http::StatusCode;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer is given again.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// What a probe was answered; nothing if there was no answer in time.
pub(crate) type Answer = Option<(StatusCode, Bytes)>;

/// The latest answer of one path.
#[derive(Default)]
pub(crate) struct Probe(Mutex<Option<(Instant, Answer)>>);

impl Probe {
    /// The latest answer, if it is fresh, else what `ask` answers. Whoever comes meanwhile waits for that.
    pub(super) async fn answer(&self, ask: impl Future<Output = Answer>) -> Answer {
        let mut latest = self.0.lock().await;
        if let Some((at, answer)) = &*latest
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = ask.await;
        *latest = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_given_again_for_a_second() {
        let (probe, asked) = (Probe::default(), Cell::new(0_u8));
        let ask = async || {
            asked.set(asked.get() + 1);
            tokio::time::sleep(Duration::from_millis(100)).await;
            (asked.get() > 1).then_some((StatusCode::OK, Bytes::new()))
        };
        let (first, second) = tokio::join!(probe.answer(ask()), probe.answer(ask()));
        assert!(first.is_none() && second.is_none(), "that there is no answer is one, too");
        assert_eq!(asked.get(), 1, "who comes meanwhile asks nothing");
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(probe.answer(ask()).await.is_none());
        assert_eq!(asked.get(), 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(probe.answer(ask()).await.is_some());
        assert_eq!(asked.get(), 2);
    }
}
