//! `mayfly doctor`: is what we are configured with fit for what we are to do?
//!
//! It reads the orchestrator's environment variables and asks; it changes nothing. The orchestrator makes the same check when
//! it starts.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use mayfly_common::env;
use mayfly_common::scope::{EnterpriseSlug, RepoSlug};
use orchestrator::clock::SystemClock;
use orchestrator::config::GitHubConfig;
use orchestrator::github::checkup::{Finding, Level, Wanted};
use orchestrator::github::{GitHubClient, GitHubSettings};

/// Exit code where something is wrong with what was checked.
const UNFIT: u8 = 1;
/// Exit code for a wrong configuration, as clap has it for wrong arguments.
const CONFIGURATION: u8 = 2;

/// What to check.
#[derive(Debug, Subcommand)]
pub(crate) enum Topic {
    /// GitHub and the credential: who it is, how many requests are left, which permissions are missing for what the
    /// configuration asks, and where to give them.
    ///
    /// Reads the orchestrator's environment variables (`GITHUB_RUNNER_TOKEN` or `GITHUB_APP_ID`, `GITHUB_API_URL`, `DISCOVERY_MODE`
    /// and so on). Changes nothing. Exit code 0 if nothing failed, 1 if something did, 2 if a variable is wrong.
    #[command(name = "github")]
    GitHub(Options),
}

/// How to check.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print one line of JSON for each finding, with the keys level (ok, warning or failure), what and hint.
    #[arg(long)]
    json: bool,
    /// Try permissions on this repository rather than on one that is found.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    repo: Option<RepoSlug>,
    /// Check for runners of this enterprise, too.
    #[arg(long, value_name = "SLUG", value_parser = EnterpriseSlug::parse)]
    enterprise: Option<EnterpriseSlug>,
}

pub(crate) async fn run(topic: Topic) -> ExitCode {
    let Topic::GitHub(options) = topic;
    let variables = env::variables();
    let hooks = hooks(&variables);
    let config = match GitHubConfig::from_variables(variables) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors.to_string()),
    };
    let client = match GitHubClient::new(GitHubSettings::of(&config), Arc::new(SystemClock)) {
        Ok(client) => client,
        Err(error) => return refuse(&error.to_string()),
    };
    let wanted = Wanted {
        repository: options.repo,
        enterprise: options.enterprise,
        ..Wanted::of(&config, hooks)
    };
    let found = client.checkup(&wanted).await;
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = BufWriter::new(io::stdout().lock());
    let written =
        if options.json { json(&mut out, &found) } else { text(&mut out, &found, colours) };
    // Whoever reads may have enough; the exit code tells all the same.
    drop(written.and_then(|()| out.flush()));
    if found.iter().any(|finding| finding.level == Level::Failure) {
        ExitCode::from(UNFIT)
    } else {
        ExitCode::SUCCESS
    }
}

/// Whether webhooks are used: the gateway has a secret for them.
fn hooks(variables: &[(String, String)]) -> bool {
    let given = |(name, value): &(String, String)| {
        let name = name.to_ascii_uppercase();
        ["WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE"].contains(&&*name) && !value.trim().is_empty()
    };
    variables.iter().any(given)
}

fn json(out: &mut impl Write, found: &[Finding]) -> io::Result<()> {
    for finding in found {
        serde_json::to_writer(&mut *out, finding)?;
        writeln!(out)?;
    }
    Ok(())
}

fn text(out: &mut impl Write, found: &[Finding], colours: bool) -> io::Result<()> {
    for finding in found {
        let (word, colour) = match finding.level {
            Level::Ok => ("ok", 32),
            Level::Warning => ("warning", 33),
            Level::Failure => ("failure", 31),
        };
        if colours {
            write!(out, "\x1b[{colour}m{word:<7}\x1b[0m")?;
        } else {
            write!(out, "{word:<7}")?;
        }
        writeln!(out, "  {}", plain(&finding.what))?;
        if let Some(hint) = &finding.hint {
            writeln!(out, "{:<9}→ {}", "", plain(hint))?;
        }
    }
    Ok(())
}

/// Without what could speak to the terminal: some of it is GitHub's, or whoever answered in its place.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Says what is wrong with the configuration. Unlike `eprintln!`, it does not panic where standard error is closed.
fn refuse(errors: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{errors}");
    ExitCode::from(CONFIGURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        let one = |level, what: &str, hint: Option<&str>| Finding {
            level,
            what: what.to_owned(),
            hint: hint.map(str::to_owned),
        };
        vec![
            one(Level::Ok, "known", None),
            one(Level::Warning, "little \x1b[31mleft", Some("wait")),
            one(Level::Failure, "broken", Some("mend")),
        ]
    }

    #[test]
    fn lines_are_aligned_and_cannot_speak_to_the_terminal() {
        let mut out = Vec::new();
        text(&mut out, &findings(), false).unwrap();
        let expected = "ok       known\nwarning  little [31mleft\n         → wait\nfailure  broken\n         → mend\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        text(&mut out, &findings()[..1], true).unwrap();
        assert_eq!(out, b"\x1b[32mok     \x1b[0m  known\n");
    }

    #[test]
    fn webhooks_are_used_where_there_is_a_secret() {
        let variables = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert!(hooks(&variables("WEBHOOK_SECRET", "s")));
        assert!(hooks(&variables("webhook_secret_file", "/f")));
        assert!(!hooks(&variables("WEBHOOK_SECRET", " ")));
        assert!(!hooks(&variables("OTHER", "s")));
    }
}
