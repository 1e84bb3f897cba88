//! What a container printed, as much of it as is wanted.
//!
//! A job writes what it likes into its container's output: gigabytes, lines without end, bytes that are no text. So the end of a log
//! is kept while it streams by, reading stops somewhere, and it is cleaned off the async threads.

use bollard::Docker;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::TryStreamExt as _;
use mayfly_common::foreign_text::{LOG, LogEnd};

use super::error::{TITLE, refused, status};
use mayfly_backend::BackendError;

/// How much of a log's beginning is read, in bytes: there the runner says that a job began, before the job can print anything.
const BEGINNING: usize = 8 << 10;
/// Where reading stops, in bytes.
const MOST: usize = 8 << 20;
/// Most pieces that are asked for. The engine stores a line in pieces of at most 16 KiB, and counts pieces where it is asked for lines;
/// the end of the log comes last, and must not be where reading stops.
const MOST_PIECES: u32 = 512;
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
        Some(end) => end.clean().await.map(Some),
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
    let whole = end.is_whole && end.lines() <= end.most_lines && end.total <= LOG;
    let end = end.clean().await?;
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
    let whole_lines = beginning.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    beginning.truncate(whole_lines);
    let mut text = LogEnd::default();
    text.push(&beginning);
    Ok(Some(clean(text, usize::MAX).await? + GAP + &end))
}

/// The end of a log.
#[derive(Default)]
struct End {
    text: LogEnd,
    /// How many pieces there were.
    pieces: u32,
    /// How many ends of lines were in them.
    ends: usize,
    /// True if the last one ended no line.
    is_open: bool,
    /// How many bytes they had.
    total: usize,
    /// True if nothing was printed before it.
    is_whole: bool,
    /// How many lines of it are shown.
    most_lines: usize,
}

impl End {
    /// Takes in what comes next. Whether more is wanted.
    fn push(&mut self, piece: &[u8]) -> bool {
        self.pieces = self.pieces.saturating_add(1);
        self.ends += piece.split(|byte| *byte == b'\n').count() - 1;
        self.is_open = piece.last().map_or(self.is_open, |byte| *byte != b'\n');
        self.total += piece.len();
        self.text.push(piece);
        self.total < MOST
    }

    /// How many lines there are, the first one perhaps without its beginning.
    fn lines(&self) -> usize {
        self.ends + usize::from(self.is_open)
    }

    async fn clean(self) -> Result<String, BackendError> {
        clean(self.text, self.most_lines).await
    }
}

/// The last `lines` lines, as far as [`MOST_PIECES`] hold them: so many pieces, and where long lines take those up, more.
async fn end(docker: &Docker, container: &str, lines: u32) -> Result<Option<End>, BackendError> {
    let Some(end) = last_pieces(docker, container, lines).await? else { return Ok(None) };
    let most_lines = usize::try_from(lines).unwrap_or(usize::MAX);
    if end.is_whole || end.lines() >= most_lines || lines >= MOST_PIECES {
        return Ok(Some(End { most_lines: usize::MAX, ..end }));
    }
    let more = last_pieces(docker, container, MOST_PIECES).await?;
    Ok(more.map(|end| End { most_lines, ..end }))
}

async fn last_pieces(
    docker: &Docker,
    container: &str,
    most: u32,
) -> Result<Option<End>, BackendError> {
    let options =
        LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&most.to_string()).build();
    let mut end = End::default();
    let there = read(docker, container, options, |piece| end.push(piece)).await?;
    end.is_whole = end.pieces < most;
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

/// The last `lines` lines as they are shown. Cleaning takes milliseconds.
async fn clean(end: LogEnd, lines: usize) -> Result<String, BackendError> {
    let cleaned = tokio::task::spawn_blocking(move || last_lines(end.text(), lines)).await;
    cleaned.map_err(|error| BackendError::Refused {
        title: TITLE,
        what: WHAT,
        reason: error.to_string(),
    })
}

/// The last `lines` lines of `text`.
fn last_lines(mut text: String, lines: usize) -> String {
    let over = text.lines().count().saturating_sub(lines);
    if over > 0 {
        let shown: usize = text.split_inclusive('\n').take(over).map(str::len).sum();
        text.drain(..shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_after_eight_megabytes() {
        let rest = |length: usize| End { total: 8_388_608 - length, ..End::default() };
        assert_eq!((rest(4).push(b"abc"), rest(3).push(b"abc")), (true, false));
        let mut end = End::default();
        for _ in 0..100 {
            assert!(end.push(&[b'x'; 16 << 10]));
        }
        assert_eq!((end.pieces, end.total), (100, 100 << 14));
    }

    #[test]
    fn the_most_pieces_that_are_asked_for_are_as_much_as_is_read() {
        assert_eq!(usize::try_from(MOST_PIECES).unwrap() * (16 << 10), MOST);
    }
}
