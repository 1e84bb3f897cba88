//! `mayfly events`: what happened, and what happens.

use std::time::Duration;

use clap::Args;
use mayfly_common::api::{Event, EventKind, EventList};
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{Login, RepoSlug};

use crate::ask;
use crate::failure::Failure;
use crate::gateway::{Connection, Gateway};
use crate::pool;
use crate::print::{self, ExitStatus, Format, Output, moment, plain};

/// Before a stream that broke is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often in a row it is tried in vain.
const ATTEMPTS: u32 = 30;

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Go on with what happens, until you stop it.
    #[arg(short, long)]
    follow: bool,
    /// How many of the latest to begin with, 0 to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    last: u16,
    /// Only these kinds: job, runner, pool, problem, drain, or one of them with what happened, such as runner.failed.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<String>,
    /// Only events of this pool.
    #[arg(long, value_name = "NAME")]
    pool: Option<PoolName>,
    /// Only events of this repository, organisation or enterprise.
    #[arg(long, value_name = "WHERE", value_parser = scope)]
    scope: Option<String>,
    // Last, because its heading is for all that follows.
    #[command(flatten)]
    connection: Connection,
}

fn kind(text: &str) -> Result<String, String> {
    let known = |(_, name): &(EventKind, &str)| {
        *name == text || name.split_once('.').is_some_and(|(group, _)| group == text)
    };
    if EventKind::ALL.iter().any(known) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = EventKind::ALL.iter().map(|(_, name)| *name).collect();
    Err(format!("must be job, runner, pool, problem, drain, or one of {}", names.join(", ")))
}

fn scope(text: &str) -> Result<String, String> {
    if RepoSlug::parse(text).is_err() && Login::parse(text).is_err() {
        return Err(
            "must be OWNER/NAME of a repository, or the name of an organisation or enterprise"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

pub(crate) async fn run(options: Options) -> ExitStatus {
    ask::gateway(&options.connection, async |gateway| look(gateway, &options).await).await
}

async fn look(gateway: &Gateway, options: &Options) -> Result<Output, Failure> {
    // One at least, so that it is known where to go on.
    let mut list: EventList =
        gateway.get(&format!("/events?limit={}", options.last.max(1))).await?;
    if options.last == 0 {
        list.events.clear();
    }
    let none_at_all = list.last_id == 0;
    list.events.retain(|event| options.wants(event));
    if let Some(name) = &options.pool
        && list.events.is_empty()
    {
        pool::must_exist(gateway, name).await?;
    }
    if !options.follow {
        let text: String = list.events.iter().map(line).collect();
        let text = match (text.is_empty(), none_at_all) {
            (false, _) => text,
            (true, true) => "Nothing happened yet.\n".to_owned(),
            (true, false) => format!("None of the latest {} events matches.\n", options.last),
        };
        return Ok(Output::new(text, &list));
    }
    for event in &list.events {
        options.show(event)?;
    }
    follow(gateway, options, list.last_id).await
}

/// Shows what comes after `last`, also over broken connections. Ends when nobody answers any more.
async fn follow(gateway: &Gateway, options: &Options, mut last: i64) -> Result<Output, Failure> {
    let mut failed = 0;
    loop {
        let ended = gateway
            .follow(last, |event| {
                (last, failed) = (event.id, 0);
                if options.wants(&event) { options.show(&event) } else { Ok(()) }
            })
            .await;
        match ended {
            Err(Failure::Output(error)) => return Err(Failure::Output(error)),
            // A refusal stays one.
            Err(Failure::Refused(refusal)) if refusal.problem.status < 500 => {
                return Err(Failure::Refused(refusal));
            }
            Err(failure) if failed >= ATTEMPTS => return Err(failure),
            _ => failed += 1,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl Options {
    fn wants(&self, event: &Event) -> bool {
        let name = event.kind.as_str();
        let group = name.split('.').next().unwrap_or_default();
        let same = |wanted: Option<&str>, found: &Option<String>| {
            wanted.is_none_or(|wanted| {
                found.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
            })
        };
        (self.kind.is_empty() || self.kind.iter().any(|kind| kind == name || kind == group))
            && same(self.pool.as_ref().map(PoolName::as_str), &event.pool)
            && same(self.scope.as_deref(), &event.scope)
    }

    fn show(&self, event: &Event) -> Result<(), Failure> {
        let text = match serde_json::to_string(event) {
            Ok(json) if self.connection.format == Format::Json => json + "\n",
            _ => line(event),
        };
        Ok(print::out(&text)?)
    }
}

/// An event on a line.
pub(crate) fn line(event: &Event) -> String {
    let job = event.job_id.map(|id| format!("job {id}"));
    let name = event.job.as_ref().map(|name| format!("\"{name}\""));
    let pool = event.pool.as_ref().map(|pool| format!("pool {pool}"));
    let about = [job, name, event.runner.clone(), event.scope.clone(), pool];
    let about: Vec<String> = about.into_iter().flatten().collect();
    let message = event.message.as_deref().unwrap_or_default();
    let colon = if about.is_empty() || message.is_empty() { "" } else { ": " };
    let text = format!(
        "{}  {:<15} {}{colon}{message}",
        moment(event.at),
        event.kind.as_str(),
        about.join(" "),
    );
    plain(&text.replace('\n', " ")) + "\n"
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use jiff::Timestamp;
    use tokio::time::Instant;

    use super::*;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_answers_for_is_asked_for_for_half_a_minute() {
        let arguments = ["events", "--follow", "--url", "http://127.0.0.1:1"];
        let Arguments { options } = Arguments::parse_from(arguments);
        let gateway = Gateway::open(&options.connection).unwrap();
        let start = Instant::now();
        let failure = follow(&gateway, &options, 0).await.err().unwrap();
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }

    #[test]
    fn an_event_is_a_line_that_steers_no_terminal() {
        let event = Event {
            id: 1,
            at: Timestamp::from_millisecond(1_800_000_000_123).unwrap(),
            kind: EventKind::JobCompleted,
            pool: Some("ci".to_owned()),
            runner: Some("r-1".to_owned()),
            scope: Some("o/r".to_owned()),
            job_id: Some(7),
            job: Some("build\n\u{1b}[31m".to_owned()),
            message: Some("success".to_owned()),
        };
        assert_eq!(
            line(&event),
            "2027-01-15T08:00:00Z  job.completed   job 7 \"build [31m\" r-1 o/r pool ci: success\n"
        );
        assert!(kind("runner").is_ok() && kind("runner.failed").is_ok() && kind("run").is_err());
    }
}
