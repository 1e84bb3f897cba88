//! `mayfly job` and `mayfly explain`: jobs, and why one waits.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::api::{Explanation, Job, JobList, JobStats, RepositoryStats};
use mayfly_common::clock::{Clock as _, SystemClock};
use mayfly_common::foreign_text;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::JobStatus;
use mayfly_service::env;

use crate::ask;
use crate::failure::Failure;
use crate::gateway::{Connection, Gateway, segment};
use crate::print::{self, ExitStatus, Output, ago, moment, pairs, span};

/// The variable that stands for `--price`.
const PRICE: &str = "MAYFLY_PRICE_PER_MINUTE";

/// What to ask about jobs.
///
/// Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List jobs, the latest first.
    #[command(alias = "ls")]
    List(List),
    /// Show one job.
    Show(Which),
    /// Say why a job waits, and what to do about it.
    Explain(Which),
    /// Sum up by repository: jobs, minutes, waits, and what they would cost.
    Stats(Stats),
}

/// What to sum up.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Jobs that ended in so many days until now.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=365))]
    days: u16,
    /// What a minute costs, in your currency, for the column "cost". Else `MAYFLY_PRICE_PER_MINUTE`.
    #[arg(long, value_name = "PRICE", value_parser = price)]
    price: Option<f64>,
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "must be a number such as 0.008".to_owned())
}

fn price_of_environment() -> Result<Option<f64>, Failure> {
    let text = env::value(&env::variables(), PRICE).map_err(Failure::Usage)?;
    let read = |text: String| price(&text).map_err(|why| Failure::Usage(format!("{PRICE}: {why}")));
    text.map(read).transpose()
}

/// Which ones.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only jobs of this repository.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    repo: Option<RepoSlug>,
    /// Only jobs that stand so.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// How many, 1 to 100.
    #[arg(long, value_name = "COUNT", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=100))]
    last: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Waiting,
    Queued,
    InProgress,
    Completed,
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The job: its id, or the address of its page at GitHub.
    #[arg(value_name = "JOB|URL", value_parser = parse)]
    job: Place,
    /// Where it is, if only its id is given and nobody has told the platform of it.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    repo: Option<RepoSlug>,
}

/// A job, and where it is if that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    id: u64,
    repo: Option<RepoSlug>,
}

/// Reads an id, or an address such as `https://github.com/OWNER/REPO/actions/runs/RUN/job/JOB`.
fn parse(text: &str) -> Result<Place, String> {
    let wrong = || {
        "must be a job's id, or an address such as https://github.com/OWNER/REPO/actions/runs/RUN/job/JOB".to_owned()
    };
    if let Ok(id) = text.parse() {
        return Ok(Place { id, repo: None });
    }
    let (_, rest) = text.split_once("://").ok_or_else(wrong)?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let at =
        parts.iter().position(|part| *part == "actions").filter(|at| *at >= 3).ok_or_else(wrong)?;
    let id = parts
        .iter()
        .position(|part| matches!(*part, "job" | "jobs"))
        .and_then(|at| parts.get(at + 1));
    let Some(id) = id.and_then(|id| id.parse().ok()) else {
        return Err(
            "is a run's page: choose the job there, and take the address of its page".to_owned()
        );
    };
    let repo =
        RepoSlug::parse(&format!("{}/{}", parts[at - 2], parts[at - 1])).map_err(|_| wrong())?;
    Ok(Place { id, repo: Some(repo) })
}

pub(crate) async fn run(command: Command, connection: Connection) -> ExitStatus {
    ask::gateway(&connection, async |gateway| act(command, gateway).await).await
}

async fn act(command: Command, gateway: &Gateway) -> Result<Output, Failure> {
    match command {
        Command::List(list) => {
            let mut path = format!("/jobs?per_page={}", list.last);
            if let Some(repo) = &list.repo {
                let _ = write!(path, "&repository={}", segment(&repo.to_string()));
            }
            if let Some(status) = list.status {
                let status = match status {
                    Status::Waiting => "waiting",
                    Status::Queued => "queued",
                    Status::InProgress => "in_progress",
                    Status::Completed => "completed",
                };
                let _ = write!(path, "&status={status}");
            }
            let list: JobList = gateway.get(&path).await?;
            Ok(Output::new(table(&list.jobs, SystemClock.now()), &list))
        }
        Command::Show(which) => {
            let job: Job = gateway.get(&format!("/jobs/{}", which.job.id)).await?;
            Ok(Output::new(page(&job), &job))
        }
        Command::Stats(Stats { days, price }) => {
            let price = price.map_or_else(price_of_environment, |price| Ok(Some(price)))?;
            let stats: JobStats = gateway.get(&format!("/jobs/stats?days={days}")).await?;
            Ok(summed(&stats, price))
        }
        Command::Explain(which) => {
            let repo = which.repo.or(which.job.repo);
            let query = repo.map(|repo| format!("?repository={}", segment(&repo.to_string())));
            let path = format!("/jobs/{}/explain{}", which.job.id, query.unwrap_or_default());
            let explanation: Explanation = gateway.get(&path).await?;
            let unknown = explanation.reasons.iter().any(|reason| reason.code == UNKNOWN_JOB);
            let status = if unknown { ExitStatus::Failed } else { ExitStatus::Done };
            Ok(Output::new(told(&explanation), &explanation).ending(status))
        }
    }
}

fn summed(stats: &JobStats, price: Option<f64>) -> Output {
    let minutes = |one: &RepositoryStats| one.run_seconds.map(|seconds| seconds / 60.0);
    let cost = |minutes: Option<f64>| match (price, minutes) {
        (None, _) => String::new(),
        (Some(_), None) => UNKNOWN.to_owned(),
        (Some(price), Some(minutes)) => format!("{:.2}", minutes * price),
    };
    let shown = |minutes: Option<f64>| {
        minutes.map_or_else(|| UNKNOWN.to_owned(), |minutes| format!("{minutes:.1}"))
    };
    let rows = stats.repositories.iter().map(|one| {
        [
            one.repository.clone(),
            one.jobs.to_string(),
            one.unsuccessful.to_string(),
            shown(minutes(one)),
            one.mean_wait_seconds.map_or_else(|| UNKNOWN.to_owned(), |wait| format!("{wait:.1} s")),
            cost(minutes(one)),
        ]
    });
    // The sum of nothing is -0.
    let total = stats.repositories.iter().filter_map(minutes).sum::<f64>() + 0.0;
    let jobs: u64 = stats.repositories.iter().map(|one| one.jobs).sum();
    let last = [
        "all".to_owned(),
        jobs.to_string(),
        String::new(),
        format!("{total:.1}"),
        String::new(),
        cost(Some(total)),
    ];
    let header = ["repository", "jobs", "unsuccessful", "minutes", "mean wait", "cost"];
    let mut text = print::table(header, rows.chain([last]));
    let unmeasured: u64 = stats.repositories.iter().map(|one| one.unmeasured).sum();
    if unmeasured > 0 {
        let _ = writeln!(
            text,
            "{unmeasured} of {jobs} jobs are in no time: GitHub did not tell when they began or ended."
        );
    }
    let json = serde_json::json!({
        "since": stats.since, "repositories": stats.repositories, "minutes": total, "cost": price.map(|price| total * price),
    });
    Output::new(text, &json)
}

fn told(explanation: &Explanation) -> String {
    let mut text = match &explanation.job {
        Some(job) => format!(
            "Job {} \"{}\" of {}, which asks for {}:\n",
            job.id,
            job.name,
            job.repository,
            if job.labels.is_empty() { "no label".to_owned() } else { job.labels.join(",") }
        ),
        None => format!("Job {}:\n", explanation.job_id),
    };
    if explanation.reasons.is_empty() {
        let _ = writeln!(text, "  {}", explanation.summary);
    }
    for reason in &explanation.reasons {
        let _ = writeln!(text, "  {}", reason.what);
        if let Some(hint) = &reason.hint {
            let _ = writeln!(text, "    → {hint}");
        }
    }
    print::plain(&text)
}

/// Labels as a column of a table shows them: not more than fit in, and how many more there are. `mayfly job show` has them all.
fn few(labels: &[String]) -> String {
    const WIDTH: usize = 40;
    let mut text = String::new();
    for (index, label) in labels.iter().enumerate() {
        if index > 0 && text.chars().count() + label.chars().count() >= WIDTH {
            let _ = write!(text, ",+{}", labels.len() - index);
            break;
        }
        if index > 0 {
            text.push(',');
        }
        text.push_str(&foreign_text::cut(label, WIDTH));
    }
    text
}

pub(crate) fn table(jobs: &[Job], now: Timestamp) -> String {
    let rows = jobs.iter().map(|job| {
        let Times { waited, ran } = times(job, now);
        [
            job.id.to_string(),
            job.repository.clone(),
            job.name.clone(),
            state(job),
            few(&job.labels),
            waited.map_or_else(|| UNKNOWN.to_owned(), span),
            ran.map_or_else(|| UNKNOWN.to_owned(), span),
            job.runner.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            queued(job, ">", |at| ago(at, now)),
        ]
    });
    let header =
        ["job", "repository", "name", "state", "labels", "waited", "ran", "runner", "queued"];
    let mut text = print::table(header, rows);
    let not_served = |job: &Job| {
        Some(format!("{} is {NOT_SERVED}: {}", job.repository, job.not_served.as_ref()?))
    };
    let lines: BTreeSet<String> = jobs.iter().filter_map(not_served).collect();
    for line in lines {
        let _ = writeln!(text, "{}", print::plain(&line));
    }
    text
}

/// The code of the reason that nobody knows the job.
const UNKNOWN_JOB: &str = "unknown_job";
/// What stands where nothing is known, or nothing is to know.
const UNKNOWN: &str = "-";
/// How a queued job stands whose repository is not served.
const NOT_SERVED: &str = "not served";

/// How long a job waited for a runner, and how long it ran; none where that is not known.
#[derive(Debug, PartialEq, Eq)]
struct Times {
    waited: Option<SignedDuration>,
    ran: Option<SignedDuration>,
}

fn times(job: &Job, now: Timestamp) -> Times {
    let over = job.status == JobStatus::Completed;
    let taken = job.started_at.or(job.waiting.then_some(now));
    let ended = job.completed_at.or((!over).then_some(now));
    let between =
        |from: Timestamp, to: Timestamp| to.duration_since(from).max(SignedDuration::ZERO);
    Times {
        waited: job.queued_at.zip(taken).map(|(queued, taken)| between(queued, taken)),
        ran: job.started_at.zip(ended).map(|(from, to)| between(from, to)),
    }
}

/// The time when a job was queued. If only the time when it was seen is known: that, with `bound` before it.
fn queued(job: &Job, bound: &str, show: impl Fn(Timestamp) -> String) -> String {
    let seen = || job.seen_at.map(|at| format!("{bound}{}", show(at)));
    job.queued_at.map(&show).or_else(seen).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// How a job stands, in a word.
fn state(job: &Job) -> String {
    match (&job.conclusion, job.waiting) {
        (Some(conclusion), _) => conclusion.clone(),
        (None, _) if job.not_served.is_some() => NOT_SERVED.to_owned(),
        (None, true) => "waits".to_owned(),
        // It left the queue, and GitHub has not said yet what became of it.
        (None, false) if job.status == JobStatus::Queued => "unknown".to_owned(),
        (None, false) => job.status.as_str().replace('_', " "),
    }
}

fn page(job: &Job) -> String {
    let time = |at: Option<Timestamp>| at.map(moment).unwrap_or_default();
    pairs([
        ("job", job.id.to_string()),
        ("name", job.name.clone()),
        ("repository", job.repository.clone()),
        ("labels", job.labels.join(",")),
        ("state", state(job)),
        (NOT_SERVED, job.not_served.clone().unwrap_or_default()),
        ("runner", job.runner.clone().unwrap_or_default()),
        ("pool", job.pool.clone().unwrap_or_default()),
        ("queued at", queued(job, "before ", moment)),
        ("started at", time(job.started_at)),
        ("ended at", time(job.completed_at)),
    ])
}

#[cfg(test)]
mod tests;
