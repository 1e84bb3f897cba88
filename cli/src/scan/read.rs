//! Every file read and scanned, on all processors.

use std::fs;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mayfly_workflow::{JobNeeds, MAX_FILE_BYTES, scan};

use super::files::Source;

/// What the jobs of a file need, or why nobody can say.
pub(super) type Answers = Result<Vec<JobNeeds>, String>;

/// Scans `sources`; the answers are in their order.
pub(super) fn all(sources: &[Source]) -> Vec<Answers> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((at, source)) = at(sources, next.fetch_add(1, Ordering::Relaxed)) {
            done.push((at, one(source)));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(sources.len());
    let mut answers: Vec<(usize, Answers)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    });
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answers)| answers).collect()
}

fn at(sources: &[Source], index: usize) -> Option<(usize, &Source)> {
    Some((index, sources.get(index)?))
}

fn one(source: &Source) -> Answers {
    let bytes = match source {
        Source::Stdin => bounded(io::stdin().lock()),
        Source::File(path) => fs::File::open(path).and_then(bounded),
        Source::Unusable(_, why) => return Err(why.clone()),
    };
    let bytes = bytes.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(format!("is larger than the {MAX_FILE_BYTES} bytes that are read"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("is not UTF-8 text: see byte {}", error.utf8_error().valid_up_to())
    })?;
    scan(&text).map_err(|error| error.to_string())
}

/// One byte more than is taken tells that there are more.
fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
