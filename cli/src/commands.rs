//! All commands, in the order in which `--help` lists them.

use clap::{Args, CommandFactory as _, Subcommand};

use crate::print::ExitStatus;
use crate::{
    Arguments, demo, doctor, drain, events, gateway, job, pool, print, runner, scan, status, top,
    webhook,
};

/// What to read first, below `--help`.
pub(crate) const FIRST_STEPS: &str = "\
First steps:
  mayfly demo             see it at work, without an account
  mayfly doctor           check what is set up, and what is missing
  mayfly status           look at the platform behind a gateway
  mayfly explain JOB|URL  why does this job still wait?

The gateway is where --url, MAYFLY_URL or a profile says; its key comes from
--api-key-file or MAYFLY_API_KEY. Every command has --help.

Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print what a shell needs to complete these commands: bash, zsh, fish and others.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    Demo(mayfly_demo_options::Options),
    /// Check what the platform is configured with, and say what is missing.
    ///
    /// Without a topic everything is checked. Reads the orchestrator's environment variables; topics whose variables are not set
    /// are left out, and that is said. Nothing is changed, except what isolation makes on the engine and removes again. Exit code
    /// 0 if nothing failed, 1 if something did, 2 if variables are wrong.
    Doctor(doctor::Topic),
    /// Start nothing new: waiting runners leave, busy ones finish. It lasts, also over a restart, until `mayfly resume`.
    ///
    /// Exit codes: 0 done, 1 refused, failed or not drained in time, 2 wrong arguments.
    Drain(drain::Options),
    /// Tell what happened to jobs, runners and pools; with --follow also what happens from now on.
    ///
    /// Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.
    Events(events::Options),
    /// Say why a job waits, and what to do about it.
    Explain(Explain),
    /// Look at jobs.
    Job(Gated<job::Command>),
    /// Make, change and watch pools: policies for runners.
    Pool(Gated<pool::Command>),
    /// End a drain: runners are started again.
    ///
    /// Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.
    Resume(gateway::Connection),
    /// Start, watch and remove runners.
    Runner(Gated<runner::Command>),
    Scan(scan::Options),
    /// The platform at a glance.
    Status(gateway::Connection),
    /// The platform live: runners, pools, jobs that wait and what happened last, until you stop it with Ctrl-C.
    ///
    /// Exit codes: 0 done, 1 refused or failed, 2 wrong arguments.
    Top(top::Options),
    /// Drain, then remove all that this installation has at GitHub and on the engine: runners, registrations, networks.
    ///
    /// Images that were pulled, and the database, stay. Exit codes: 0 done, 1 refused, failed or not done in time, 2 wrong
    /// arguments.
    Uninstall(drain::Uninstall),
    /// The versions of this command and of the platform behind the gateway.
    Version(gateway::Connection),
    /// Make, check, mend or remove the webhook that tells the platform about jobs at once.
    #[command(subcommand)]
    Webhook(webhook::Command),
}

/// A command that asks the gateway.
#[derive(Args)]
pub(crate) struct Gated<C: Subcommand> {
    #[command(flatten)]
    connection: gateway::Connection,
    #[command(subcommand)]
    command: C,
}

/// Which job.
#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    which: job::Which,
    // Last, because its heading is for all that follows.
    #[command(flatten)]
    connection: gateway::Connection,
}

impl Command {
    /// Does what was asked.
    #[tokio::main]
    pub(crate) async fn run(self) -> ExitStatus {
        match self {
            Self::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Arguments::command(), "mayfly", &mut script);
                print::written(print::out(&String::from_utf8_lossy(&script)), ExitStatus::Done)
            }
            Self::Version(connection) => status::version(connection).await,
            Self::Demo(_) => demo::run(),
            Self::Doctor(topic) => doctor::run(topic).await,
            Self::Drain(options) => drain::drain(options).await,
            Self::Resume(connection) => drain::resume(connection).await,
            Self::Uninstall(options) => drain::uninstall(options).await,
            Self::Events(options) => events::run(options).await,
            Self::Explain(Explain { connection, which }) => {
                job::run(job::Command::Explain(which), connection).await
            }
            Self::Job(gated) => job::run(gated.command, gated.connection).await,
            Self::Pool(gated) => pool::run(gated.command, gated.connection).await,
            Self::Runner(gated) => runner::run(gated.command, gated.connection).await,
            Self::Status(connection) => status::run(connection).await,
            Self::Top(options) => top::run(options).await,
            Self::Scan(options) => scan::run(&options),
            Self::Webhook(command) => webhook::run(command).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `--help` prints for this command and for all below it.
    fn help(command: &mut clap::Command) -> String {
        let name = command.get_bin_name().unwrap_or_default().to_owned();
        let mut text = format!("$ {name} --help\n{}\n", command.render_long_help());
        for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
            text += &help(below);
        }
        text
    }

    #[test]
    fn the_help_of_every_command_is_as_it_was_read_last() {
        let mut root = Arguments::command().term_width(100);
        root.build();
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| {
            insta::assert_snapshot!("help", root.render_long_help().to_string());
            for command in root.get_subcommands_mut().filter(|one| one.get_name() != "help") {
                insta::assert_snapshot!(format!("help_{}", command.get_name()), help(command));
            }
        });
    }
}
