//! What a container printed, as much of it as is wanted.
//!
//! A job writes what it likes into its container's output: gigabytes, lines without end, bytes that are no text. So the end of a log
//! is kept while it streams by, reading stops somewhere, and it is cleaned off the async threads.

use bollard::Docker;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::TryStreamExt as _;
use mayfly_common::foreign_text::{self, LOG};

use super::error::{refused, status};
use mayfly_backend::BackendError;

/// How much of a log's beginning is read, in bytes: there the runner says that a job began, before the job can print anything.
const BEGINNING: usize = 8 << 10;
/// Where reading stops, in bytes. The engine stores lines in pieces of 16 KiB and counts pieces, so that 200 of them are 3.2 MB.
const MOST: usize = 8 << 20;
/// What is tried.
pub(super) const WHAT: &str = "read a container's log";
/// Stands between the beginning and the end of a log.
const GAP: &str = "\n[…]\n";

/// The last lines a container printed; `None` if it is gone or going.
pub(super) async fn tail(
    docker: &Docker,
    container: &str,
    lines: u32,
) -> Result<Option<String>, BackendError> {
    match end(docker, container, lines).await? {
        Some(end) => clean(end.bytes).await.map(Some),
        None => Ok(None),
    }
}

/// The first and the last lines of a container that ended; `None` if it is gone or going.
pub(super) async fn ends(
    docker: &Docker,
    container: &str,
    lines: u32,
) -> Result<Option<String>, BackendError> {
    let Some(end) = end(docker, container, lines).await? else { return Ok(None) };
    let whole = end.pieces < lines && end.total <= LOG;
    let end = clean(end.bytes).await?;
    if whole {
        return Ok(Some(end));
    }
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
    let mut beginning = Vec::with_capacity(BEGINNING);
    let there = read(docker, container, options, |piece| {
        let room = BEGINNING - beginning.len();
        beginning.extend_from_slice(&piece[..room.min(piece.len())]);
        beginning.len() < BEGINNING
    });
    if !there.await? {
        return Ok(None);
    }
    // Half a line may be half a credential.
    let lines = beginning.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    beginning.truncate(lines);
    Ok(Some(clean(beginning).await? + GAP + &end))
}

/// The end of a log.
#[derive(Default)]
struct End {
    bytes: Vec<u8>,
    /// How many pieces there were.
    pieces: u32,
    /// How many bytes they had.
    total: usize,
}

impl End {
    /// Takes in what comes next, and lets go of what is no longer at the end. Whether more is wanted.
    fn push(&mut self, piece: &[u8]) -> bool {
        self.pieces = self.pieces.saturating_add(1);
        self.total += piece.len();
        self.bytes.extend_from_slice(&piece[piece.len().saturating_sub(LOG + 1)..]);
        // One byte more than is shown says that something was cut off.
        if self.bytes.len() > 2 * LOG {
            self.bytes.drain(..self.bytes.len() - LOG - 1);
        }
        self.total < MOST
    }
}

async fn end(docker: &Docker, container: &str, lines: u32) -> Result<Option<End>, BackendError> {
    let options =
        LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines.to_string()).build();
    let mut end = End::default();
    let there = read(docker, container, options, |piece| end.push(piece)).await?;
    Ok(there.then_some(end))
}

/// Reads until `take` wants no more. Whether the container is there.
async fn read(
    docker: &Docker,
    container: &str,
    options: LogsOptions,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<bool, BackendError> {
    let mut pieces = std::pin::pin!(docker.logs(container, Some(options)));
    loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                if !take(&piece.into_bytes()) {
                    return Ok(true);
                }
            }
            Ok(None) => return Ok(true),
            // 409: it is being removed.
            Err(error) if matches!(status(&error), Some(404 | 409)) => return Ok(false),
            Err(error) => return Err(refused(WHAT)(error)),
        }
    }
}

/// Cleaning takes milliseconds.
async fn clean(bytes: Vec<u8>) -> Result<String, BackendError> {
    let cleaned = tokio::task::spawn_blocking(move || foreign_text::log(&bytes)).await;
    cleaned.map_err(|error| BackendError::Refused { what: WHAT, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_in_bounded_room() {
        let mut end = End::default();
        for number in 0..100_u32 {
            let piece = [number.to_string().as_bytes(), &vec![b'x'; 16 << 10], b"\n"].concat();
            assert!(end.push(&piece));
            assert!(end.bytes.len() <= 2 * LOG && end.bytes.ends_with(&piece), "{number}");
        }
        assert_eq!(end.pieces, 100);
        assert!(end.bytes.len() > LOG && end.total > 100 << 14);
        assert!(!end.push(&vec![0xff; MOST]), "that is enough");
        let rest = |length: usize| End { total: 8_388_608 - length, ..End::default() };
        assert_eq!((rest(4).push(b"abc"), rest(3).push(b"abc")), (true, false));
        assert!(end.bytes.len() <= 2 * LOG);
    }
}
