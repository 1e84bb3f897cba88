//! How the Docker engine beside a runner is, from the state of its container.

use bollard::models::{
    ContainerState, ContainerStateStatusEnum, ContainerSummary, Health, HealthStatusEnum,
};
use mayfly_common::foreign_text::line;

use crate::read::exit_code;

/// How a runner's own Docker engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EngineHealth {
    /// It starts.
    Starting,
    /// It answers.
    Healthy,
    /// It is of no use any more.
    Failed {
        /// Why, in words an operator reads.
        why: String,
    },
}

/// The state of a container as far as a list shows it, as in `Up 5 minutes (healthy)`.
pub(crate) fn listed(summary: &ContainerSummary) -> ContainerState {
    let said = summary.status.as_deref().unwrap_or_default();
    let health =
        [("(healthy)", HealthStatusEnum::HEALTHY), ("(unhealthy)", HealthStatusEnum::UNHEALTHY)];
    let health = health.into_iter().find(|(words, _)| said.ends_with(words));
    ContainerState {
        status: summary.state.as_ref().and_then(|state| state.to_string().parse().ok()),
        exit_code: exit_code(said),
        health: health.map(|(_, status)| Health { status: Some(status), ..Health::default() }),
        ..ContainerState::default()
    }
}

/// How an engine is whose container is in this state. `None`: it ended, and its log says why.
pub(crate) fn health(state: &ContainerState) -> Option<EngineHealth> {
    let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
    if status == ContainerStateStatusEnum::CREATED {
        return Some(failed("its container was created and never started", ""));
    }
    if [ContainerStateStatusEnum::EXITED, ContainerStateStatusEnum::DEAD].contains(&status) {
        return None;
    }
    let health = state.health.as_ref();
    Some(match health.and_then(|health| health.status) {
        Some(HealthStatusEnum::HEALTHY) => EngineHealth::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => {
            let said = health.and_then(|health| health.log.as_ref()?.last()?.output.as_deref());
            failed("it does not answer", said.unwrap_or_default())
        }
        _ => EngineHealth::Starting,
    })
}

/// How an engine is whose container ended, with the end of its log.
pub(crate) fn ended(state: &ContainerState, log: &str) -> EngineHealth {
    let memory = if state.oom_killed == Some(true) { ", out of memory" } else { "" };
    let code = state.exit_code.unwrap_or_default();
    failed(&format!("it ended with exit code {code}{memory}"), log)
}

/// An engine that is of no use, with the last line of what was said.
pub(crate) fn failed(what: &str, said: &str) -> EngineHealth {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let why = match last {
        Some(last) => format!("{what}: {}", line(last)),
        None => what.to_owned(),
    };
    EngineHealth::Failed { why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{ContainerSummaryStateEnum, HealthcheckResult};

    #[test]
    fn a_list_tells_how_it_is_in_few_words() {
        use ContainerSummaryStateEnum::{CREATED, EXITED, RUNNING};
        let rows = [
            (RUNNING, "Up 5 minutes (healthy)", Some(EngineHealth::Healthy)),
            (RUNNING, "Up 1 second (health: starting)", Some(EngineHealth::Starting)),
            (RUNNING, "", Some(EngineHealth::Starting)),
            (RUNNING, "Up 5 minutes (unhealthy)", Some(failed("it does not answer", ""))),
            (CREATED, "Created", Some(failed("its container was created and never started", ""))),
            (EXITED, "Exited (3) 2 days ago", None),
        ];
        for (state, said, expected) in rows {
            let summary = ContainerSummary {
                state: Some(state),
                status: Some(said.to_owned()),
                ..ContainerSummary::default()
            };
            let state = listed(&summary);
            assert_eq!(health(&state), expected, "{said}");
            assert_eq!(state.exit_code, (expected.is_none()).then_some(3), "{said}");
        }
    }

    #[test]
    fn every_state_has_its_row() {
        use ContainerStateStatusEnum::{CREATED, EXITED, RUNNING};
        let state = |status, health: Option<HealthStatusEnum>| ContainerState {
            status: Some(status),
            health: health.map(|status| Health {
                status: Some(status),
                log: Some(vec![HealthcheckResult {
                    output: Some("cannot connect\n".to_owned()),
                    ..HealthcheckResult::default()
                }]),
                ..Health::default()
            }),
            exit_code: Some(1),
            ..ContainerState::default()
        };
        let failed = |why: &str| EngineHealth::Failed { why: why.to_owned() };
        let rows = [
            (CREATED, None, Some(failed("its container was created and never started"))),
            (RUNNING, None, Some(EngineHealth::Starting)),
            (RUNNING, Some(HealthStatusEnum::STARTING), Some(EngineHealth::Starting)),
            (RUNNING, Some(HealthStatusEnum::HEALTHY), Some(EngineHealth::Healthy)),
            (
                RUNNING,
                Some(HealthStatusEnum::UNHEALTHY),
                Some(failed("it does not answer: cannot connect")),
            ),
            (EXITED, Some(HealthStatusEnum::HEALTHY), None),
        ];
        for (status, asked, expected) in rows {
            assert_eq!(health(&state(status, asked)), expected, "{status} {asked:?}");
        }
        let last_words = ended(&state(EXITED, None), "starting\nno space left\n\n");
        assert_eq!(last_words, failed("it ended with exit code 1: no space left"));
        let silent = ended(&state(EXITED, None), "");
        assert_eq!(silent, failed("it ended with exit code 1"));
    }
}
