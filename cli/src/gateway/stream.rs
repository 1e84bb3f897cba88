//! The stream of events: server-sent events (WHATWG HTML), of which this needs the lines with data.

use std::time::Duration;

use mayfly_common::api::Event;
use reqwest::header::HeaderValue;
use reqwest::{Method, header};

use super::{Failure, Gateway};

/// After so long a stream is asked for anew; it says that it lives every few seconds.
const LONGEST: Duration = Duration::from_hours(24);
/// Most bytes of an event.
const MAX_EVENT: usize = 1 << 20;

impl Gateway {
    /// Hands on the events after the one of id `last` as they come, until the stream ends.
    ///
    /// Errors: there is no such stream, it broke, or `hear` failed.
    pub(crate) async fn follow(
        &self,
        last: i64,
        mut hear: impl FnMut(Event) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let request = self.request(Method::GET, &format!("/events?after={last}"));
        let request = request.header(header::ACCEPT, "text/event-stream").timeout(LONGEST);
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        if !response.status().is_success() || !is_stream {
            return Err(self.refusal(response).await);
        }
        let mut text = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            text.extend_from_slice(&piece);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data:") {
                    hear(
                        serde_json::from_slice(data)
                            .map_err(|error| self.not_understood(&error))?,
                    )?;
                }
            }
            if text.len() > MAX_EVENT {
                return Err(Failure::Unreachable(format!("{}: an event without end", self.way)));
            }
        }
        Ok(())
    }
}
