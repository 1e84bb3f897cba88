//! What holds for every container of ours.

use std::collections::HashMap;

use bollard::models::{HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum};
use mayfly_common::material::Profile;

/// What holds for every container of ours: limits, and that nobody but us ends or restarts it.
pub(super) fn limited(profile: &Profile) -> HostConfig {
    let logs = [("max-size", "10m"), ("max-file", "2")];
    HostConfig {
        memory: Some(profile.memory),
        memory_swap: Some(profile.memory),
        nano_cpus: Some(profile.nano_cpus),
        pids_limit: Some(profile.pids),
        // A restarted runner has a used-up registration.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        // Exit code and log are read before we remove it.
        auto_remove: Some(false),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(
                logs.into_iter()
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .collect::<HashMap<_, _>>(),
            ),
        }),
        ..HostConfig::default()
    }
}
