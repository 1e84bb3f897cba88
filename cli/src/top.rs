//! `mayfly top`: the platform, live.
//!
//! Invariant: the terminal is left as it was, also when Ctrl-C or SIGTERM ends it. Without a terminal one picture is printed.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use mayfly_common::api::{EventList, JobList, PoolList, RunnerList, Status};
use mayfly_common::clock::{Clock as _, SystemClock};
use mayfly_service::shutdown;
use rustix::termios::tcgetwinsize;
use serde_json::json;

use crate::failure::Failure;
use crate::gateway::{Connection, Gateway};
use crate::print::{self, ExitStatus, Format, Output};
use crate::{ask, events, job, pool, runner, status};

/// To another screen, and back, with the cursor hidden there (xterm control sequences, DECSET 1049 and 25).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner; the rest of a line, and of the screen, is wiped as it is written.
const HOME: &str = "\x1b[H";
const WIPE_LINE: &str = "\x1b[K";
const WIPE_REST: &str = "\x1b[J";
/// Lines where the terminal does not say.
const LINES: usize = 40;
/// Most jobs and events shown.
const JOBS: usize = 8;
const EVENTS: usize = 8;

/// How to look.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds between two looks, 1 to 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
    /// Look once, and print that.
    #[arg(long)]
    once: bool,
    // Last, because its heading is for all that follows.
    #[command(flatten)]
    connection: Connection,
}

/// All that one look brings.
struct Picture {
    status: Status,
    pools: PoolList,
    runners: RunnerList,
    jobs: JobList,
    events: EventList,
}

pub(crate) async fn run(options: Options) -> ExitStatus {
    let live_on_screen =
        !options.once && options.connection.format == Format::Text && io::stdout().is_terminal();
    ask::gateway(&options.connection, async |gateway| {
        if live_on_screen {
            live(gateway, Duration::from_secs(options.interval)).await
        } else {
            once(gateway).await
        }
    })
    .await
}

async fn once(gateway: &Gateway) -> Result<Output, Failure> {
    let picture = look(gateway).await?;
    let json = json!({
        "status": picture.status, "pools": picture.pools.pools, "runners": picture.runners.runners,
        "waiting_jobs": picture.jobs.jobs, "events": picture.events.events,
    });
    Ok(Output::new(draw(&picture, SystemClock.now()), &json))
}

async fn live(gateway: &Gateway, interval: Duration) -> Result<Output, Failure> {
    // A first look that fails is an error like any other command's.
    let mut picture = look(gateway).await;
    if picture.is_err() {
        return picture.map(|_| Output::new("", &json!(null)));
    }
    let mut stop = std::pin::pin!(shutdown::signal());
    print::out(ENTER)?;
    loop {
        let text = match &picture {
            Ok(picture) => draw(picture, SystemClock.now()),
            Err(failure) => format!("{}\n", print::plain(&failure.to_string())),
        };
        print::out(&screen(&text, height()))?;
        let next = async {
            tokio::time::sleep(interval).await;
            look(gateway).await
        };
        picture = tokio::select! {
            () = &mut stop => break,
            seen = next => seen,
        };
    }
    print::out(LEAVE)?;
    Ok(Output::new("", &json!(null)))
}

async fn look(gateway: &Gateway) -> Result<Picture, Failure> {
    let (status, pools, runners, jobs, events) = tokio::try_join!(
        gateway.get("/status"),
        gateway.get("/pools"),
        gateway.get("/runners?per_page=100"),
        gateway.get("/jobs?status=queued&per_page=100"),
        gateway.get("/events?limit=20"),
    )?;
    let mut picture = Picture { status, pools, runners, jobs, events };
    picture.jobs.jobs.retain(|job| job.waiting);
    Ok(picture)
}

fn draw(picture: &Picture, now: Timestamp) -> String {
    let mut text = status::page(&picture.status);
    let _ = write!(text, "\n{}", pool::table(&picture.pools.pools));
    let runners = &picture.runners.runners;
    if !runners.is_empty() {
        let _ = write!(text, "\n{}", runner::table(runners, now));
    }
    let jobs = &picture.jobs.jobs;
    if !jobs.is_empty() {
        // The longest wait first.
        let oldest: Vec<_> = jobs.iter().rev().take(JOBS).cloned().collect();
        let more = jobs.len() - oldest.len();
        let _ = write!(text, "\n{}", job::table(&oldest, now));
        if more > 0 {
            let _ = writeln!(text, " and {more} more jobs that wait");
        }
    }
    let events = &picture.events.events;
    if !events.is_empty() {
        text.push('\n');
        let latest = events.iter().rev().take(EVENTS);
        text.extend(latest.map(events::line));
    }
    text
}

/// The text as it replaces what is on the screen; what does not fit is left out.
fn screen(text: &str, lines: usize) -> String {
    let shown: Vec<&str> = text.lines().take(lines.saturating_sub(1)).collect();
    let mut screen = HOME.to_owned();
    for line in shown {
        let _ = write!(screen, "{line}{WIPE_LINE}\r\n");
    }
    screen + WIPE_REST
}

fn height() -> usize {
    let size = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
    if size == 0 { LINES } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_the_screen_and_leaves_nothing_of_the_last_one() {
        let drawn = screen("a\nb\nc\n", 3);
        assert_eq!(drawn, format!("{HOME}a{WIPE_LINE}\r\nb{WIPE_LINE}\r\n{WIPE_REST}"));
    }
}
