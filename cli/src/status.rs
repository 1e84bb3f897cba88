//! `mayfly status`: the platform at a glance.

use mayfly_common::api::{PoolList, Status};

use crate::ask;
use crate::failure::Failure;
use crate::gateway::{Connection, Gateway};
use crate::pool;
use crate::print::{ExitStatus, Output, Printer, moment, pairs};

pub(crate) async fn run(connection: Connection) -> ExitStatus {
    ask::gateway(&connection, async |gateway| look(gateway).await).await
}

/// `mayfly version`: this command's, and the platform's if it can be asked.
pub(crate) async fn version(connection: Connection) -> ExitStatus {
    let platform = match Gateway::open(&connection) {
        Ok(gateway) => gateway.get::<Status>("/status").await.map(|status| status.version),
        Err(failure) => Err(failure),
    };
    let shown = match &platform {
        Ok(version) => version.clone(),
        Err(failure) => failure.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    let text = pairs([("mayfly", mayfly_common::VERSION.to_owned()), ("platform", shown)]);
    let json = serde_json::json!({ "mayfly": mayfly_common::VERSION, "platform": platform.ok() });
    Printer::new(connection.format).finish(Ok(Output::new(text, &json)))
}

async fn look(gateway: &Gateway) -> Result<Output, Failure> {
    let status: Status = gateway.get("/status").await?;
    let pools: PoolList = gateway.get("/pools").await?;
    let text = format!("{}\n{}", page(&status), pool::table(&pools.pools));
    Ok(Output::new(text, &serde_json::json!({ "status": status, "pools": pools.pools })))
}

pub(crate) fn page(status: &Status) -> String {
    let runners: Vec<String> =
        status.runners.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let (pass, github) = (&status.last_pass, &status.github);
    let left: Vec<String> = github
        .limits
        .iter()
        .map(|limit| {
            format!("{} of {} {} ({})", limit.remaining, limit.limit, limit.resource, limit.account)
        })
        .collect();
    let refused: usize = github.not_served.values().sum();
    let mut lines = vec![
        ("version", status.version.clone()),
        ("instance", status.installation.clone()),
        (
            "draining",
            status.draining_since.map_or_else(String::new, |since| {
                format!("since {}: nothing new is started; mayfly resume ends it", moment(since))
            }),
        ),
        ("runners", if runners.is_empty() { "none".to_owned() } else { runners.join(", ") }),
        ("at most", status.max_runners.to_string()),
        (
            "automatic",
            if status.auto_create {
                "on: queued jobs start runners".to_owned()
            } else {
                "OFF: queued jobs start no runners and pools keep none waiting; set AUTO_CREATE_RUNNERS=true".to_owned()
            },
        ),
        (
            "queued jobs",
            format!("{} for runners like ours, {} for none", pass.queued_jobs, pass.unmet.len()),
        ),
        (
            "repositories",
            format!(
                "{} served, {} with jobs for us, {refused} not served",
                pass.repositories, pass.self_hosted_repositories
            ),
        ),
        ("GitHub", left.join(", ")),
        ("next look", github.next_check.map(moment).unwrap_or_default()),
        ("webhooks", github.webhooks.clone()),
        ("job ledger", github.ledger.clone()),
        (
            "waits",
            pass.waiting.clone().or_else(|| github.discovery_waits.clone()).unwrap_or_default(),
        ),
    ];
    lines.extend(pass.problems.iter().map(|problem| ("problem", problem.clone())));
    lines.extend(
        status.held_back.iter().map(|(place, why)| ("held back", format!("{place}: {why}"))),
    );
    pairs(lines)
}
