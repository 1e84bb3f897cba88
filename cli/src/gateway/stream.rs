//! The stream of events: server-sent events (WHATWG HTML), of which this needs the lines with data.

use std::time::Duration;

use mayfly_common::api::Event;
use reqwest::header::HeaderValue;
use reqwest::{Method, header};

use super::Gateway;
use crate::failure::Failure;

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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What becomes of a stream that consists of these bytes.
    async fn followed(bytes: Vec<u8>) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let serving = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let begin =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            stream.write_all(begin.as_bytes()).await.unwrap();
            // Who has enough hangs up.
            let _ = stream.write_all(&bytes).await;
        };
        let gateway = Gateway::new(url, None).unwrap();
        tokio::join!(gateway.follow(0, |_| Ok(())), serving).0
    }

    #[tokio::test]
    async fn an_event_has_at_most_a_mebibyte() {
        let fits = vec![b'x'; 1 << 20];
        let more = [&*fits, b"x"].concat();
        let lines = [&*fits, b"\n", &*fits, b"\n"].concat();
        for (bytes, endless) in [(fits, false), (lines, false), (more, true)] {
            let told = followed(bytes).await.err().map(|failure| failure.to_string());
            assert_eq!(told.is_some(), endless, "{told:?}");
            assert!(told.is_none_or(|told| told.ends_with(": an event without end")));
        }
    }
}
