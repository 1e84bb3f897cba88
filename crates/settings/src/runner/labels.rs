//! The labels of the runners that are started for jobs.

use std::collections::BTreeMap;

use mayfly_common::clean::{self, blemish};
use mayfly_common::label::{Label, LabelSet, MAX_LABELS};
use mayfly_service::env::Checker;
use mayfly_service::env::known::RUNNER_PREFIX;

use super::Environment;
use crate::template::Value;
use crate::{Raw, Shown};

/// The labels runners for jobs have: `RUNNER_LABELS`; else what a fixed template tells the image; else the usual ones.
pub(super) fn read(
    raw: &mut Raw,
    environment: &Environment,
    shown: &Shown,
    check: &mut Checker,
) -> LabelSet {
    let usual = usual_labels();
    if let Some(text) = check.text("RUNNER_LABELS", raw.runner_labels.take()) {
        if text.trim().starts_with('[') && text.trim().ends_with(']') {
            check.warn(
                "RUNNER_LABELS",
                "begins with [ and ends with ], which become parts of labels: write self-hosted,linux without them",
            );
        }
        let labels = parse_labels("RUNNER_LABELS", &text, check).unwrap_or(usual);
        warn_of("RUNNER_LABELS", &labels, check);
        return labels;
    }
    // An image that registers itself is told its labels by a template. If that is fixed text, it is the truth about them.
    let told =
        ["RUNNER_LABELS", "LABELS"].iter().find_map(|name| Some((*name, environment.get(*name)?)));
    match told {
        Some((name, template)) if !template.uses("labels") => {
            let known = BTreeMap::from([("hostname", Value::Plain(shown.hostname.clone()))]);
            let mut labels: Vec<Label> = usual.iter().cloned().collect();
            if environment.contains_key("NO_DEFAULT_LABELS") {
                labels.clear();
            }
            let variable = format!("{RUNNER_PREFIX}{name}");
            // Nothing that is known here is a secret.
            let Value::Plain(text) = template.render(&known) else { return usual };
            // Marks around the whole list are parts of its first and its last label.
            if clean::is_quoted(text.trim()) {
                check.fail(
                    &variable,
                    "is in quotation marks, which would be parts of labels: remove them",
                );
            }
            let told = parse_labels(&variable, &text, check);
            labels.extend(told.unwrap_or_default().iter().cloned());
            let labels = labels.into_iter().collect();
            warn_of(&variable, &labels, check);
            labels
        }
        _ => usual,
    }
}

fn warn_of(variable: &str, labels: &LabelSet, check: &mut Checker) {
    if !labels.contains("self-hosted") {
        check.warn(
            variable,
            "lacks self-hosted: a job whose runs-on has self-hosted gets no runner from here",
        );
    }
}

fn parse_labels(variable: &str, text: &str, check: &mut Checker) -> Option<LabelSet> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    match parts
        .map(|part| match blemish(part) {
            Some(reason) => Err(format!("label {part:?} {reason}")),
            None => Label::parse(part).map_err(|error| format!("label {part:?} {error}")),
        })
        .collect::<Result<LabelSet, _>>()
    {
        Ok(labels) if !labels.is_empty() && labels.len() <= MAX_LABELS => return Some(labels),
        Ok(_) => {
            check.fail(variable, format!("must hold 1 to {MAX_LABELS} labels, separated by commas"))
        }
        Err(reason) => check.fail(variable, reason),
    }
    None
}

/// What `config.sh` gives every Linux runner by itself, and what just-in-time registration does not (GitHub docs: "Using labels
/// with self-hosted runners").
fn usual_labels() -> LabelSet {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "arm" => "arm",
        _ => "x64",
    };
    LabelSet::requested(["self-hosted", "linux", architecture, "ephemeral"])
}
