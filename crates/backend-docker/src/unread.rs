//! Questions about one container that the engine does not answer: they hide neither the others nor the container.

use std::future::Future;
use std::time::Duration;

use bollard::models::ContainerState;
use mayfly_backend::BackendError;
use tokio::time::timeout;

use super::container::INSPECT;
use super::log;
use super::raw::Connection;

/// The longest that it may take to send the end of one container's log. Together with that for one look less than a list may take.
const LOG: Duration = Duration::from_secs(8);

/// Questions about one container that the engine did not answer.
#[derive(Default)]
pub(super) struct Unread {
    /// The reason for the first one.
    pub(super) why: Option<String>,
    /// True if it did not answer in time: then it is asked no more about this container.
    silent: bool,
}

impl Unread {
    /// The answer to one question; `None`, and noted, if the engine refused it or did not answer within `limit`.
    ///
    /// Errors: the engine cannot be reached.
    pub(super) async fn ask<T>(
        &mut self,
        (limit, what): (Duration, &'static str),
        question: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<Option<T>, BackendError> {
        if self.silent {
            return Ok(None);
        }
        let why = match timeout(limit, question).await {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(error @ BackendError::Unreachable { .. })) => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                self.silent = true;
                format!("Docker did not {what} within {} s", limit.as_secs())
            }
        };
        self.why.get_or_insert(why);
        Ok(None)
    }

    /// Asks for the state of a container: `None` if the engine did not say, `Some(None)` if the container is gone.
    pub(super) async fn state(
        &mut self,
        docker: &Connection,
        id: &str,
    ) -> Result<Option<Option<ContainerState>>, BackendError> {
        let what = "inspect a container";
        self.ask((INSPECT, what), docker.state(what, id)).await
    }

    /// Asks for the end of a container's log: `None` if the engine did not send it, `Some(None)` if the container is gone or being removed.
    pub(super) async fn log(
        &mut self,
        question: impl Future<Output = Result<Option<String>, BackendError>>,
    ) -> Result<Option<Option<String>>, BackendError> {
        self.ask((LOG, log::WHAT), question).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_is_told_and_after_silence_nothing_is_asked() {
        let mut unread = Unread::default();
        let refused = |reason: &str| BackendError::Refused {
            title: "Docker",
            what: "try",
            reason: reason.to_owned(),
        };
        let (limit, what) = (Duration::from_secs(3), "try");
        let answer = unread.ask((limit, what), async { Ok(1) }).await.unwrap();
        assert_eq!((answer, &unread.why), (Some(1), &None));
        for reason in ["one", "two"] {
            let question = async { Err::<u8, _>(refused(reason)) };
            assert_eq!(unread.ask((limit, what), question).await.unwrap(), None);
        }
        assert_eq!(unread.why.as_deref(), Some("Docker refused to try: one"));
        let away = async { Err::<u8, _>(BackendError::unreachable("Docker", "x")) };
        assert!(unread.ask((limit, what), away).await.is_err());
        let before = tokio::time::Instant::now();
        let silence = std::future::pending::<Result<u8, BackendError>>();
        assert_eq!(unread.ask((limit, what), silence).await.unwrap(), None);
        assert_eq!(before.elapsed().as_secs(), 3);
        assert_eq!(unread.ask((limit, what), async { Ok(1) }).await.unwrap(), None);
        assert_eq!(unread.why.as_deref(), Some("Docker refused to try: one"));
    }

    #[tokio::test(start_paused = true)]
    async fn so_long_the_engine_may_take_for_one_container() {
        let mut unread = Unread::default();
        let before = tokio::time::Instant::now();
        let silence = std::future::pending::<Result<Option<String>, BackendError>>();
        assert_eq!(unread.log(silence).await.unwrap(), None);
        assert_eq!(before.elapsed().as_secs(), 8);
        let told = "Docker did not read a container's log within 8 s";
        assert_eq!(unread.why.as_deref(), Some(told));
    }
}
