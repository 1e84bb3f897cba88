//! `mayfly doctor`: is what we are configured with fit for what we are to do?
//!
//! It reads the orchestrator's environment variables and asks; it changes nothing, except what `isolation` makes on the engine
//! and removes again. The orchestrator makes the credential's check when it starts, too.
//!
//! | module | what |
//! |---|---|
//! | `arguments`, `settings` | what is asked, and what is configured |
//! | `topic` | what there is to check |
//! | `lifetime` | whether a runner that hangs ends in reasonable time |
//! | `engine` with `host`, `image`, `disk`, `webhooks`, `clock`, `isolation` | one topic each: asking, and judging, which is pure |
//! | `finding`, `print` | what was found, and how it is shown |

mod arguments;
mod clock;
mod disk;
mod engine;
mod finding;
mod host;
mod image;
mod isolation;
mod lifetime;
mod print;
mod settings;
mod topic;
mod webhooks;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join, join_all};
use mayfly_common::clock::SystemClock;
use mayfly_github::GitHubClient;
use mayfly_github::checkup::{Finding, Level, Wanted};
use mayfly_service::env::known::unknown_beside;
use mayfly_service::{env, shutdown};
use tokio::time::timeout;

pub(crate) use arguments::Asked as Topic;

use arguments::All;
use engine::Engine;
use finding::{failure, skipped};
use isolation::Traces;
use print::Found;
use settings::Settings;
use topic::Topic as About;

use crate::print::{ExitStatus, Printer};

/// How long the engine may take to answer all that one topic asks.
const TOPIC: Duration = Duration::from_mins(1);

/// All topics, in the order in which they are told.
const ALL: [About; 7] = [
    About::Docker,
    About::Image,
    About::Disk,
    About::GitHub,
    About::Webhooks,
    About::Clock,
    About::Isolation,
];

pub(crate) async fn run(asked: Topic) -> ExitStatus {
    let (one, options) = asked.parts();
    let probe_image = options.probe_image.is_some();
    let variables = env::variables();
    let elsewhere = settings::elsewhere(&variables);
    let settings = match Settings::read(one, probe_image, variables.clone()) {
        Ok(settings) => settings,
        Err(errors) => {
            let refused = refuse(&errors.to_string());
            warn(&unknown_beside(&errors, &variables));
            warn(elsewhere.as_slice());
            return refused;
        }
    };
    warn(&settings.config.warnings);
    warn(elsewhere.as_slice());
    let client = settings
        .credential
        .then(|| GitHubClient::new(settings.config.github.client(), Arc::new(SystemClock)));
    let client = match client.transpose() {
        Ok(client) => client,
        Err(error) => return refuse(&error.to_string()),
    };
    let traces = Traces::default();
    let checkup = Checkup { one, options: &options, settings: &settings, traces: &traces };
    let found = tokio::select! {
        found = checkup.found(client.as_ref()) => found,
        () = shutdown::signal() => {
            if let Some(trace) = traces.left() && let Err(left) = trace.remove().await {
                let _ = writeln!(io::stderr(), "what was made on the engine is not removed: {left}");
            }
            return ExitStatus::Interrupted;
        }
    };
    let mut levels = found.iter().flat_map(|(_, findings)| findings).map(|finding| finding.level);
    let unfit = levels.any(|level| level == Level::Failure);
    let status = if unfit { ExitStatus::Failed } else { ExitStatus::Done };
    Printer::new(options.format).write(
        status,
        |out, colours| print::text(out, &found, colours),
        |out| print::json(out, &found),
    )
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        // Whoever closed standard error does not read it.
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
}

/// What is checked, and with what.
struct Checkup<'a> {
    /// The one topic, or none for all.
    one: Option<About>,
    options: &'a All,
    settings: &'a Settings,
    traces: &'a Traces,
}

impl Checkup<'_> {
    /// Checks side by side what does not depend on something else, and tells it in order.
    async fn found(&self, client: Option<&GitHubClient>) -> Vec<Found> {
        let (engine, github) = join(self.of_engine(), self.of_github(client)).await;
        let mut all: Vec<Found> = engine.into_iter().chain(github).collect();
        let clocks: Vec<Finding> = all
            .iter()
            .filter(|(topic, _)| *topic == About::Clock)
            .flat_map(|(_, findings)| findings.clone())
            .collect();
        let mut told = Vec::new();
        for topic in ALL.into_iter().filter(|topic| self.asks(*topic)) {
            let mut findings = Vec::new();
            for (_, some) in all.extract_if(.., |(other, _)| *other == topic) {
                findings.extend(some);
            }
            // The credential's check looks at the clock, too: once is enough.
            if topic == About::GitHub {
                findings.retain(|finding| !clocks.contains(finding));
            }
            told.push((topic, findings));
        }
        told
    }

    fn asks(&self, topic: About) -> bool {
        self.one.is_none_or(|one| one == topic)
    }

    async fn of_engine(&self) -> Vec<Found> {
        let topics = [About::Docker, About::Image, About::Disk, About::Clock, About::Isolation];
        let topics: Vec<About> = topics.into_iter().filter(|topic| self.asks(*topic)).collect();
        if topics.is_empty() {
            return Vec::new();
        }
        let host = self.settings.config.docker_host.as_deref();
        match Engine::reach(host).await {
            Ok(engine) => {
                let engine = &engine;
                join_all(
                    topics
                        .into_iter()
                        .map(async |topic| (topic, self.in_time(topic, engine).await)),
                )
                .await
            }
            Err(why) => {
                // Said once where it belongs; a topic that stands alone has to say it itself.
                let of = |topic| match (self.one, topic) {
                    (None, About::Docker) | (Some(_), _) => why.clone(),
                    (None, _) => skipped("the Docker Engine does not answer"),
                };
                topics.into_iter().map(|topic| (topic, vec![of(topic)])).collect()
            }
        }
    }

    /// As [`Self::with_engine`], for so long as an engine may take. What a runner can reach has its own bound, and things to remove.
    async fn in_time(&self, topic: About, engine: &Engine) -> Vec<Finding> {
        let checked = self.with_engine(topic, engine);
        if topic == About::Isolation {
            return checked.await;
        }
        timeout(TOPIC, checked).await.unwrap_or_else(|_| {
            let seconds = TOPIC.as_secs();
            vec![failure(
                format!("the Docker Engine did not answer within {seconds} s"),
                "look at the engine's log; a busy disk is one cause, an engine that has frozen another",
            )]
        })
    }

    async fn with_engine(&self, topic: About, engine: &Engine) -> Vec<Finding> {
        let (settings, config) = (self.settings, &self.settings.config);
        let image = settings.image.as_deref();
        match topic {
            About::Docker => {
                let mut found = engine.findings();
                found.extend(host::check(engine, config).await);
                found.extend(lifetime::judge(config.runner.max_lifetime));
                found
            }
            About::Disk => disk::check(engine).await,
            About::Clock => vec![clock::engine(engine)],
            About::Image => match image {
                Some(image) => image::check(engine, image, config.runner.pull).await,
                None => vec![skipped("RUNNER_IMAGE is not set")],
            },
            About::Isolation => match self.options.probe_image.as_deref().or(image) {
                Some(image) => isolation::check(engine, config, image, self.traces).await,
                None => vec![skipped("neither RUNNER_IMAGE nor --probe-image is set")],
            },
            About::GitHub | About::Webhooks => Vec::new(),
        }
    }

    async fn of_github(&self, client: Option<&GitHubClient>) -> Vec<Found> {
        let topics = [About::GitHub, About::Webhooks, About::Clock];
        let asked = topics.into_iter().filter(|topic| self.asks(*topic));
        let checks = asked.map(|topic| -> BoxFuture<'_, Found> {
            match client {
                Some(client) => {
                    async move { (topic, self.with_client(topic, client).await) }.boxed()
                }
                None if topic == About::Clock => {
                    async { (About::Clock, vec![clock::without_credential()]) }.boxed()
                }
                None => {
                    let why = "neither GITHUB_RUNNER_TOKEN nor GITHUB_APP_ID is set";
                    async move { (topic, vec![skipped(why)]) }.boxed()
                }
            }
        });
        join_all(checks).await
    }

    async fn with_client(&self, topic: About, client: &GitHubClient) -> Vec<Finding> {
        let settings = self.settings;
        let config = &settings.config.github;
        match topic {
            About::GitHub => {
                let wanted = Wanted {
                    repository: self.options.repo.clone(),
                    enterprise: self.options.enterprise.clone(),
                    hooks: settings.secret,
                    ..config.wanted()
                };
                client.checkup(&wanted).await
            }
            About::Webhooks if !settings.secret && settings.webhook_url.is_none() => {
                vec![webhooks::unused()]
            }
            About::Webhooks => {
                let (repo, url) = (self.options.repo.as_ref(), settings.webhook_url.as_ref());
                webhooks::check(client, config, repo, url).await
            }
            About::Clock => vec![clock::github(client, &config.discovery).await],
            About::Docker | About::Image | About::Disk | About::Isolation => Vec::new(),
        }
    }
}

/// Says what is wrong with the configuration. Unlike `eprintln!`, it does not panic where standard error is closed.
fn refuse(errors: &str) -> ExitStatus {
    let _ = writeln!(io::stderr(), "{errors}");
    ExitStatus::Usage
}
