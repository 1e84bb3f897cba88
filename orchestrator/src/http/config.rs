//! `/api/v1/config/…`: how runners are configured. Names, never values.

use axum::Json;
use axum::extract::State;
use mayfly_common::api::{ConfigInfo, ConfigPlaceholders, ConfigValidation};
use mayfly_common::image::ImageName;

use super::Api;
use mayfly_settings::template::PLACEHOLDERS;
use mayfly_settings::{Config, Registration};

pub(super) async fn info(State(api): State<Api>) -> Json<ConfigInfo> {
    let runner = &api.config.runner;
    let names: Vec<String> = runner.environment.keys().cloned().collect();
    Json(ConfigInfo {
        runner_image: runner.image.clone(),
        total_variables: names.len(),
        has_configuration: !names.is_empty(),
        variable_names: names,
        available_placeholders: PLACEHOLDERS.len(),
        orchestrator_id: api.handle.snapshot().installation,
        registration: match runner.registration {
            Registration::Jit => "jit".to_owned(),
            Registration::Token => "token".to_owned(),
        },
    })
}

pub(super) async fn validate(State(api): State<Api>) -> Json<ConfigValidation> {
    Json(validation(&api.config))
}

pub(super) async fn placeholders() -> Json<ConfigPlaceholders> {
    let placeholders = PLACEHOLDERS
        .iter()
        .map(|(name, what)| (format!("{{{name}}}"), (*what).to_owned()))
        .collect();
    Json(ConfigPlaceholders { total_placeholders: PLACEHOLDERS.len(), placeholders })
}

/// What is doubtful and what would be better. Errors there are none: they end the start.
fn validation(config: &Config) -> ConfigValidation {
    let mut warnings = config.warnings.clone();
    let mut recommendations = Vec::new();
    let interval = config.check_interval.as_secs();
    if config.auto_create && interval < 30 {
        recommendations.push(format!("RUNNER_CHECK_INTERVAL={interval} asks GitHub often; with many repositories the limit may be spent"));
    }
    if config.auto_create && interval > 600 {
        recommendations
            .push(format!("RUNNER_CHECK_INTERVAL={interval} lets a queued job wait that long"));
    }
    if !config.auto_create {
        recommendations.push(
            "AUTO_CREATE_RUNNERS=false: queued jobs start no runners; only the API does".to_owned(),
        );
    }
    let runner = &config.runner;
    if runner.registration == Registration::Token && !runner.environment.contains_key("EPHEMERAL") {
        warnings.push("runners register by token and runnerenv_EPHEMERAL is not set: an image may then keep its runner after a job".to_owned());
    }
    if ImageName::parse(&runner.image).is_ok_and(|name| !name.is_pinned()) {
        recommendations.push("RUNNER_IMAGE names no fixed version: pin one, and renew it within 30 days of each runner release".to_owned());
    }
    ConfigValidation { valid: true, errors: Vec::new(), warnings, recommendations }
}

#[cfg(test)]
mod tests;
