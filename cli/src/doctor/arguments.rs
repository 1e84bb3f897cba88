//! The command line of `mayfly doctor`.

use clap::{ArgAction, Args, Subcommand};
use mayfly_common::image::ImageName;
use mayfly_common::scope::{EnterpriseSlug, RepoSlug};

use super::topic::Topic;
use crate::print::Format;

/// What is asked: one topic, or all.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Asked {
    #[command(subcommand)]
    one: Option<One>,
    #[command(flatten)]
    all: All,
}

/// One topic.
#[derive(Debug, Subcommand)]
enum One {
    /// The Docker Engine: whether it can be reached and by which way, its version, what it confines containers with, and whether
    /// runners fit on its machine.
    ///
    /// Reads `DOCKER_HOST`, `DOCKER_NETWORK`, `DOCKER_NETWORK_MTU`, `RUNNER_MEMORY`, `RUNNER_CPUS`, `RUNNER_DOCKER`, `MAX_RUNNERS`
    /// and `MAX_RUNNERS_MEMORY`.
    Docker(Plain),
    /// The runners' image: whether it is there, how old it is, and whether it fits the engine.
    ///
    /// Reads `RUNNER_IMAGE`, `RUNNER_PULL_POLICY` and `DOCKER_HOST`. Pulls nothing.
    Image(Plain),
    /// Space for images and containers.
    ///
    /// Reads `DOCKER_HOST`.
    Disk(Plain),
    /// GitHub and the credential: who it is, how many requests are left, which permissions are missing for what the
    /// configuration asks, and where to give them.
    ///
    /// Reads the orchestrator's environment variables (`GITHUB_RUNNER_TOKEN` or `GITHUB_APP_ID`, `GITHUB_API_URL`, `DISCOVERY_MODE`
    /// and so on). Changes nothing. Exit code 0 if nothing failed, 1 if something did, 2 if a variable is wrong.
    #[command(name = "github")]
    GitHub(GitHub),
    /// What became of the last webhooks, as far as the credential can see.
    ///
    /// Reads GitHub's variables, `WEBHOOK_SECRET` (or `_FILE`) and `MAYFLY_WEBHOOK_URL`. `mayfly webhook status` tells more.
    Webhooks(Webhooks),
    /// Whether the clocks of this machine, GitHub and the Docker Engine agree.
    ///
    /// Reads `DOCKER_HOST` and, if they are set, GitHub's variables.
    Clock(Plain),
    /// What a runner can reach that it must not: the orchestrator's port, the cloud's metadata address, other runners.
    ///
    /// Starts two containers like runners on the runners' network, for 20 seconds at most, and removes them. Reads
    /// `RUNNER_IMAGE`, `DOCKER_NETWORK`, `DOCKER_HOST`, `ORCHESTRATOR_HOST`, `ORCHESTRATOR_PORT`, `RUNNER_SECCOMP_PROFILE`
    /// and the runners' limits.
    Isolation(Isolation),
}

/// How to check everything.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct All {
    /// Print one line of JSON for each finding, with the keys topic, level (ok, warning or failure), what and hint.
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = Format::flag())]
    pub(super) format: Format,
    /// Try GitHub's permissions on this repository rather than on one that is found, and look at its webhook.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    pub(super) repo: Option<RepoSlug>,
    /// Check for runners of this enterprise, too.
    #[arg(long, value_name = "SLUG", value_parser = EnterpriseSlug::parse)]
    pub(super) enterprise: Option<EnterpriseSlug>,
    /// Try what a runner can reach with this image rather than with `RUNNER_IMAGE`.
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(super) probe_image: Option<String>,
}

/// The name of an image.
fn image(text: &str) -> Result<String, String> {
    ImageName::parse(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
struct Plain {
    /// Print one line of JSON for each finding, with the keys topic, level (ok, warning or failure), what and hint.
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = Format::flag())]
    format: Format,
}

#[derive(Debug, Args)]
struct GitHub {
    #[command(flatten)]
    plain: Plain,
    /// Try permissions on this repository rather than on one that is found.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    repo: Option<RepoSlug>,
    /// Check for runners of this enterprise, too.
    #[arg(long, value_name = "SLUG", value_parser = EnterpriseSlug::parse)]
    enterprise: Option<EnterpriseSlug>,
}

#[derive(Debug, Args)]
struct Webhooks {
    #[command(flatten)]
    plain: Plain,
    /// Look at the webhook of this repository.
    #[arg(long, value_name = "OWNER/NAME", value_parser = RepoSlug::parse)]
    repo: Option<RepoSlug>,
}

#[derive(Debug, Args)]
struct Isolation {
    #[command(flatten)]
    plain: Plain,
    /// Use this image rather than `RUNNER_IMAGE`. It is not pulled.
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    probe_image: Option<String>,
}

impl Asked {
    /// The topic, or none for all of them, and how to check.
    pub(super) fn parts(self) -> (Option<Topic>, All) {
        let of = |plain: &Plain| All { format: plain.format, ..All::default() };
        let Some(one) = self.one else { return (None, self.all) };
        let (topic, all) = match one {
            One::Docker(plain) => (Topic::Docker, of(&plain)),
            One::Image(plain) => (Topic::Image, of(&plain)),
            One::Disk(plain) => (Topic::Disk, of(&plain)),
            One::Clock(plain) => (Topic::Clock, of(&plain)),
            One::GitHub(GitHub { plain, repo, enterprise }) => {
                (Topic::GitHub, All { repo, enterprise, ..of(&plain) })
            }
            One::Webhooks(Webhooks { plain, repo }) => {
                (Topic::Webhooks, All { repo, ..of(&plain) })
            }
            One::Isolation(Isolation { plain, probe_image }) => {
                (Topic::Isolation, All { probe_image, ..of(&plain) })
            }
        };
        (Some(topic), all)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        asked: Asked,
    }

    #[test]
    fn each_topic_has_its_name_and_its_own_options() {
        let rows = [
            ("", None, "false - - -"),
            ("--json --repo o/r --enterprise e --probe-image i:1", None, "true o/r e i:1"),
            ("docker", Some("docker"), "false - - -"),
            ("docker --json", Some("docker"), "true - - -"),
            ("image --json", Some("image"), "true - - -"),
            ("disk --json", Some("disk"), "true - - -"),
            ("clock --json", Some("clock"), "true - - -"),
            ("github --json --repo o/r --enterprise e", Some("github"), "true o/r e -"),
            ("webhooks --json --repo o/r", Some("webhooks"), "true o/r - -"),
            ("isolation --json --probe-image i:1", Some("isolation"), "true - - i:1"),
        ];
        for (words, topic, options) in rows {
            let line = Line::try_parse_from(["doctor"].into_iter().chain(words.split_whitespace()));
            let (found, all) = line.ok().unwrap().asked.parts();
            assert_eq!(found.map(Topic::as_str), topic, "{words}");
            let spelt = found.map(|found| serde_json::to_value(found).unwrap());
            assert_eq!(spelt, topic.map(Into::into), "as JSON has it");
            let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let repo = shown(all.repo.map(|repo| repo.to_string()));
            let enterprise = shown(all.enterprise.map(|slug| slug.to_string()));
            let json = all.format == Format::Json;
            let told = format!("{json} {repo} {enterprise} {}", shown(all.probe_image));
            assert_eq!(told, options, "{words}");
        }
        for wrong in [
            "docker --repo o/r",
            "image --probe-image i",
            "--probe-image a:b:c",
            "--repo o",
            "--json docker",
        ] {
            assert!(
                Line::try_parse_from(["doctor"].into_iter().chain(wrong.split_whitespace()))
                    .is_err(),
                "{wrong}"
            );
        }
    }
}
