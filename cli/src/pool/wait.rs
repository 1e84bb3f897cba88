//! Waits until a pool has as many runners waiting as it should.

use std::time::Duration;

use mayfly_common::api::{ImagePull, Pool, Status};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::print::{Output, Progress};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Cells of the bar.
const BAR: usize = 30;

pub(super) async fn until_waiting(
    gateway: &Gateway,
    path: &str,
    wanted: usize,
    timeout: u64,
) -> Result<Output, Failure> {
    let until = Instant::now() + Duration::from_secs(timeout);
    let mut progress = Progress::default();
    let automatic = gateway.get::<Status>("/status").await?.auto_create;
    loop {
        let pool: Pool = gateway.get(path).await?;
        if pool.status.state == "disabled" {
            let enable = format!("mayfly pool enable {}", pool.name);
            return Err(Failure::Failed(format!("pool {}: is disabled ({enable})", pool.name)));
        }
        let idle = pool.status.runners.get("idle").copied().unwrap_or_default();
        progress.show_on_terminal(&shown(&pool, idle, wanted));
        let done = idle >= wanted;
        if done || Instant::now() >= until {
            progress.end();
        }
        if done {
            return Ok(Output::new(format!("Pool {}: {idle} runners wait.\n", pool.name), &pool));
        }
        // Without automatic mode no time is enough.
        if Instant::now() >= until || !automatic {
            let why = pool.status.short.map(|why| format!(": {why}")).unwrap_or_default();
            let after = if automatic { format!(" after {timeout} s") } else { String::new() };
            let text = format!("pool {}: {idle} of {wanted} runners wait{after}{why}", pool.name);
            return Err(Failure::Failed(text));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What a person who waits looks at: runners, or the image while there can be none for want of it.
fn shown(pool: &Pool, idle: usize, wanted: usize) -> String {
    match pool.status.image_pull {
        Some(ImagePull { done, size }) => {
            let mebibytes = |bytes: u64| usize::try_from(bytes >> 20).unwrap_or(usize::MAX);
            bar(mebibytes(done), mebibytes(size), "MiB of the image")
        }
        None => bar(idle, wanted, "runners wait"),
    }
}

fn bar(done: usize, wanted: usize, what: &str) -> String {
    let full = (done.min(wanted) * BAR).checked_div(wanted).unwrap_or(BAR);
    format!("[{}{}] {done}/{wanted} {what}", "#".repeat(full), "-".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_when_all_wait() {
        assert!(bar(0, 4, "x").starts_with("[---"));
        assert!(bar(4, 4, "x").starts_with(&format!("[{}]", "#".repeat(BAR))));
        assert!(bar(9, 4, "x").starts_with(&format!("[{}]", "#".repeat(BAR))));
        assert!(bar(0, 0, "x").starts_with(&format!("[{}]", "#".repeat(BAR))));
    }
}
