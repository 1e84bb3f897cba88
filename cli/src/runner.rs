//! `mayfly runner`: runners, one by one.

mod follow;

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use mayfly_common::api::{
    CleanupReport, Finished, FinishedList, RegistrationLeft, Runner, RunnerList,
};
use mayfly_common::clock::{Clock as _, SystemClock};
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::ask;
use crate::failure::Failure;
use crate::gateway::{Connection, Gateway, segment};
use crate::pool;
use crate::print::{self, ExitStatus, Format, Output, ago, moment, pairs, plain, span};

/// What to do with runners.
///
/// Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the runners.
    #[command(alias = "ls")]
    List(List),
    /// Show one runner.
    Show(Named),
    /// Start runners for a repository, an organisation or an enterprise. Each takes one job.
    Create(Create),
    /// Remove a runner. One that works is left alone.
    #[command(alias = "rm")]
    Delete(Delete),
    /// Print what a runner printed last.
    Logs(Logs),
    /// Remove what should not be there: containers that ended, registrations without a container, and the other way round.
    #[command(alias = "cleanup")]
    Purge(Purge),
}

/// Which ones.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this pool.
    #[arg(long, value_name = "NAME")]
    pool: Option<PoolName>,
    /// Only those in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// The latest that are gone, and how they ended.
    #[arg(long)]
    finished: bool,
}

/// A state that a runner is listed in. `gone` only with `--finished`; the first four only without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Starting,
    Idle,
    Busy,
    Draining,
    Finished,
    Failed,
    Gone,
}

impl State {
    fn of(self) -> RunnerState {
        match self {
            Self::Starting => RunnerState::Starting,
            Self::Idle => RunnerState::Idle,
            Self::Busy => RunnerState::Busy,
            Self::Draining => RunnerState::Draining,
            Self::Finished => RunnerState::Finished,
            Self::Failed => RunnerState::Failed,
            Self::Gone => RunnerState::Gone,
        }
    }
}

impl List {
    /// Refuses a state that no runner on this list can have.
    fn check(&self) -> Result<(), Failure> {
        let Some(state) = self.state.map(State::of) else { return Ok(()) };
        let name = state.as_str();
        if self.finished && state.is_alive() {
            return Err(Failure::Usage(format!(
                "--state {name}: a runner that is gone is finished, failed or gone; leave --finished out for those that are there"
            )));
        }
        if !self.finished && state == RunnerState::Gone {
            return Err(Failure::Usage(
                "--state gone: add --finished to list the runners that are gone".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The runner.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Where, and how many.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Where they register.
    #[arg(long, value_enum, default_value = "repo")]
    scope: Kind,
    /// OWNER/NAME of the repository, the organisation's login, or the enterprise's slug.
    #[arg(value_name = "WHERE")]
    scope_name: String,
    /// How many, 1 to 10.
    #[arg(long, default_value_t = 1)]
    count: u8,
    /// A name; with several runners, -1, -2 … are added.
    #[arg(long)]
    name: Option<String>,
    /// Their labels, separated by commas.
    #[arg(long, value_delimiter = ',')]
    labels: Vec<String>,
    /// Their runner group.
    #[arg(long)]
    group: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Repo,
    Org,
    Enterprise,
}

/// Which one, and how hard.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    runner: Named,
    /// Even if it works, whose job is lost then, or if GitHub does not answer.
    #[arg(long)]
    force: bool,
}

/// Whose log.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    runner: Named,
    /// Go on until the runner is gone.
    #[arg(short, long)]
    follow: bool,
}

/// How to clean up.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(command: Command, connection: Connection) -> ExitStatus {
    ask::gateway(&connection, async |gateway| act(command, gateway, connection.format).await).await
}

async fn act(command: Command, gateway: &Gateway, format: Format) -> Result<Output, Failure> {
    match command {
        Command::List(list) => listed(gateway, &list).await,
        Command::Show(Named { name }) => {
            match gateway.get::<Runner>(&format!("/runners/{}", segment(&name))).await {
                Ok(runner) => Ok(Output::new(page(&runner), &runner)),
                Err(failure) if failure.is(StatusCode::NOT_FOUND) => {
                    let gone = gateway.get(&format!("/finished-runners/{}", segment(&name))).await;
                    // Neither there nor gone: what was said of the one that should be there is the answer.
                    let gone: Finished = gone.map_err(|_| failure)?;
                    Ok(Output::new(obituary(&gone), &gone))
                }
                Err(failure) => Err(failure),
            }
        }
        Command::Create(create) => {
            let list: RunnerList =
                gateway.send(Method::POST, "/runners", Some(&create.body()), None).await?;
            Ok(Output::new(table(&list.runners, SystemClock.now()), &list))
        }
        Command::Delete(Delete { runner, force }) => {
            let force = if force { "?force=true" } else { "" };
            let path = format!("/runners/{}{force}", segment(&runner.name));
            let left: Option<RegistrationLeft> =
                gateway.send(Method::DELETE, &path, None, None).await?;
            let name = runner.name;
            Ok(match left {
                None => Output::new(format!("Runner {name} is gone.\n"), &json!({"deleted": name})),
                Some(left) => Output::new(
                    format!("Runner {name}: {}\n", plain(&left.detail)),
                    &json!({"deleted": name, "detail": left.detail}),
                ),
            })
        }
        Command::Logs(Logs { runner, follow }) if follow && format == Format::Text => {
            self::follow::until_gone(gateway, &runner.name).await
        }
        Command::Logs(Logs { runner, .. }) => self::follow::logs(gateway, &runner.name).await,
        Command::Purge(Purge { dry_run }) => {
            let path = format!("/runners/cleanup?dry_run={dry_run}");
            let report: CleanupReport = gateway.send(Method::POST, &path, None, None).await?;
            let mut text: String = report.actions.iter().map(|line| plain(line) + "\n").collect();
            let word = if dry_run { "would be done" } else { "done" };
            let number = if dry_run { report.total } else { report.cleaned };
            let _ = writeln!(text, "{number} things {word}, {} failed.", report.failed);
            Ok(Output::new(text, &report))
        }
    }
}

async fn listed(gateway: &Gateway, wanted: &List) -> Result<Output, Failure> {
    wanted.check()?;
    let state = wanted.state.map(|state| state.of().as_str());
    let (output, empty) = if wanted.finished {
        let mut path = "/finished-runners?per_page=100".to_owned();
        for (name, value) in
            [("pool", wanted.pool.as_ref().map(PoolName::as_str)), ("state", state)]
        {
            if let Some(value) = value {
                let _ = write!(path, "&{name}={}", segment(value));
            }
        }
        let list: FinishedList = gateway.get(&path).await?;
        (Output::new(ended(&list.runners, SystemClock.now()), &list), list.runners.is_empty())
    } else {
        let mut list = all(gateway).await?;
        list.runners.retain(|runner| {
            wanted.pool.as_ref().is_none_or(|pool| pool.as_str() == runner.pool)
                && state.is_none_or(|state| state == runner.state.as_str())
        });
        list.total_count = list.runners.len();
        (Output::new(table(&list.runners, SystemClock.now()), &list), list.runners.is_empty())
    };
    if let Some(name) = &wanted.pool
        && empty
    {
        pool::must_exist(gateway, name).await?;
    }
    Ok(output)
}

/// All runners, page by page.
pub(crate) async fn all(gateway: &Gateway) -> Result<RunnerList, Failure> {
    let mut list = RunnerList { total_count: 0, runners: Vec::new() };
    for page in 1.. {
        let next: RunnerList = gateway.get(&format!("/runners?per_page=100&page={page}")).await?;
        let end = next.runners.is_empty();
        list.runners.extend(next.runners);
        if end || list.runners.len() >= next.total_count {
            break;
        }
    }
    list.total_count = list.runners.len();
    Ok(list)
}

impl Create {
    fn body(&self) -> Value {
        let scope = match self.scope {
            Kind::Repo => "repo",
            Kind::Org => "org",
            Kind::Enterprise => "enterprise",
        };
        let labels = (!self.labels.is_empty()).then_some(&self.labels);
        json!({
            "scope": scope, "scope_name": self.scope_name, "count": self.count,
            "runner_name": self.name, "labels": labels, "runner_group": self.group,
        })
    }
}

pub(crate) fn table(runners: &[Runner], now: Timestamp) -> String {
    let rows = runners.iter().map(|runner| {
        [
            runner.name.clone(),
            runner.pool.clone(),
            runner.state.as_str().to_owned(),
            runner.scope_name.clone(),
            runner.labels.join(","),
            ago(runner.created_at, now),
            runner.reason.clone().unwrap_or_default(),
        ]
    });
    print::table(["runner", "pool", "state", "scope", "labels", "age", "why"], rows)
}

fn ended(runners: &[Finished], now: Timestamp) -> String {
    let rows = runners.iter().map(|runner| {
        [
            runner.name.clone(),
            runner.pool.clone(),
            runner.state.as_str().to_owned(),
            runner.scope_name.clone(),
            exit(runner),
            span(runner.removed_at.duration_since(runner.created_at)),
            ago(runner.removed_at, now),
            runner.reason.clone(),
        ]
    });
    print::table(["runner", "pool", "state", "scope", "exit", "lived", "gone since", "why"], rows)
}

/// How its container ended, if it did so by itself.
fn exit(runner: &Finished) -> String {
    let code = runner.exit_code.map(|code| code.to_string()).unwrap_or_default();
    if runner.out_of_memory { format!("{code} out of memory") } else { code }
}

fn obituary(runner: &Finished) -> String {
    let text = pairs([
        ("runner", runner.name.clone()),
        ("pool", runner.pool.clone()),
        ("state", format!("{}, and gone", runner.state.as_str())),
        ("why", runner.reason.clone()),
        ("exit code", exit(runner)),
        ("scope", runner.scope_name.clone()),
        ("image", runner.image.clone()),
        ("made at", moment(runner.created_at)),
        ("gone at", moment(runner.removed_at)),
    ]);
    format!("{text}What it printed: mayfly runner logs {}\n", plain(&runner.name))
}

fn page(runner: &Runner) -> String {
    pairs([
        ("runner", runner.name.clone()),
        ("pool", runner.pool.clone()),
        ("state", runner.state.as_str().to_owned()),
        ("why", runner.reason.clone().unwrap_or_default()),
        ("scope", runner.scope_name.clone()),
        ("labels", runner.labels.join(",")),
        ("image", runner.image.clone()),
        ("container", runner.container_id.clone().unwrap_or_default()),
        ("GitHub's id", runner.github_runner_id.map(|id| id.to_string()).unwrap_or_default()),
        ("made at", moment(runner.created_at)),
        ("ends by", moment(runner.deadline)),
    ])
}

#[cfg(test)]
mod tests;
