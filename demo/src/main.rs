//! `mayfly-demo`, which `mayfly demo` starts: github-sim, orchestrator and gateway in one process, real runner containers on the
//! local engine.
//!
//! | module | what |
//! |---|---|
//! | [`engine`] | what the demo makes on the engine, and that it is gone afterwards |
//! | [`leftovers`], [`owner`] | what demos left that were killed, and whether a demo lives |
//! | [`stage`] | the services, wired together on free ports |
//! | [`table`] | what a person watches |
//! | [`summary`] | what came of it |
//! | [`warm`] | a second act, with runners that wait |

mod engine;
mod leftovers;
mod owner;
mod stage;
mod summary;
mod table;
mod warm;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use github_sim::demo::ExpectedJob;
use github_sim::world::model::Status;
use mayfly_demo_options::{Options, PROGRAM};
use mayfly_service::shutdown;
use mayfly_service::telemetry::{self, Logging};

use self::engine::Engine;
use self::stage::Stage;
use self::summary::Summary;
use self::table::Table;
use self::warm::Warm;

/// How often the table is drawn.
const REDRAW: Duration = Duration::from_millis(200);
/// How long all jobs may take: this, and so much more for each.
const BASE_LIMIT: Duration = Duration::from_mins(2);
const LIMIT_PER_JOB: Duration = Duration::from_secs(10);
/// How long the platform may take to remove the last runner after the last job.
const VANISH_LIMIT: Duration = Duration::from_mins(1);

// Its text in `--help` is that of the options.
#[derive(Parser)]
#[command(name = PROGRAM, version = mayfly_common::VERSION)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// How the watching ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// Every job is done and nothing is left.
    Done,
    /// Time ran out.
    TimedOut,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// Runs the demo; whatever happens, what it made is removed.
#[expect(clippy::print_stderr, reason = "a command's own messages")]
#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    telemetry::init(Logging { level: options.log_level, ..Logging::default() });
    match play(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{PROGRAM}: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `Ok(true)` if everything came out as it should.
async fn play(options: &Options) -> anyhow::Result<bool> {
    // From the first moment on, so that Ctrl-C never ends the process before what it made is removed.
    let mut interrupt = Interrupt::listen();
    let engine = Engine::prepare().await?;
    let outcome = perform(&engine, options, &mut interrupt).await;
    let removed = engine.remove_all().await;
    let good = outcome?;
    removed.context("the demo's containers, network or image could not all be removed")?;
    Ok(good)
}

/// Runs the services around the show, and ends them before anything is removed: else they would start more.
async fn perform(
    engine: &Engine,
    options: &Options,
    interrupt: &mut Interrupt,
) -> anyhow::Result<bool> {
    let stage = Stage::open(engine).await?;
    let outcome = show(&stage, options, interrupt).await;
    stage.close().await?;
    outcome
}

#[expect(clippy::print_stderr, reason = "a command's own messages")]
async fn show(
    stage: &Stage<'_>,
    options: &Options,
    interrupt: &mut Interrupt,
) -> anyhow::Result<bool> {
    let jobs = stage.dispatch(usize::from(options.jobs))?;
    let mut table = Table::new();
    let ending = watch(stage, &jobs, &mut table, interrupt).await?;
    table.finish();
    let mut summary = Summary::of(stage, &jobs).await?;
    if options.warm > 0 && ending == Ending::Done {
        eprintln!("\nNow with {} runners that wait before the job comes …", options.warm);
        let warm = tokio::select! {
            warm = Warm::play(stage, options.warm) => Some(warm?),
            () = interrupt.wait() => None,
        };
        summary.warm = warm;
    }
    if options.json {
        print(&summary).context("standard output cannot be written")?;
    }
    eprint!("{}", summary.text());
    let problems = summary.problems(stage, &jobs, &ending);
    for problem in &problems {
        eprintln!("✗ {problem}");
    }
    if !options.exit && ending != Ending::Interrupted {
        eprint!("{}", stage.invitation());
        interrupt.wait().await;
    }
    Ok(problems.is_empty())
}

/// Writes the summary to standard output. A reader that has seen enough is no error.
fn print(summary: &Summary) -> io::Result<()> {
    let text = serde_json::to_string_pretty(summary)?;
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Ctrl-C or SIGTERM, for everybody who must know.
struct Interrupt(tokio::sync::watch::Receiver<bool>);

impl Interrupt {
    fn listen() -> Self {
        let (sender, receiver) = tokio::sync::watch::channel(false);
        let stop = shutdown::signal();
        tokio::spawn(async move {
            stop.await;
            sender.send_replace(true);
        });
        Self(receiver)
    }

    /// Completes once it has happened, and at once ever after.
    async fn wait(&mut self) {
        // An error means that the listener is gone: nothing will ever interrupt.
        if self.0.wait_for(|interrupted| *interrupted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Draws until everything is done and gone.
async fn watch(
    stage: &Stage<'_>,
    jobs: &[ExpectedJob],
    table: &mut Table,
    interrupt: &mut Interrupt,
) -> anyhow::Result<Ending> {
    let limit = BASE_LIMIT + LIMIT_PER_JOB * u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    let deadline = tokio::time::Instant::now() + limit;
    let mut vanish_by = None;
    loop {
        let rows = stage.rows(jobs).await;
        table.draw(&rows);
        let now = tokio::time::Instant::now();
        if stage.sim().with(|world| jobs.iter().all(|job| is_done(world, job))) {
            if stage.nothing_left().await? {
                return Ok(Ending::Done);
            }
            if now >= *vanish_by.get_or_insert(now + VANISH_LIMIT) {
                return Ok(Ending::TimedOut);
            }
        } else if now >= deadline {
            return Ok(Ending::TimedOut);
        }
        tokio::select! {
            () = tokio::time::sleep(REDRAW) => {}
            () = interrupt.wait() => return Ok(Ending::Interrupted),
        }
    }
}

fn is_done(world: &github_sim::world::World, job: &ExpectedJob) -> bool {
    world.job(job.job_id).is_none_or(|job| job.status == Status::Completed)
}
