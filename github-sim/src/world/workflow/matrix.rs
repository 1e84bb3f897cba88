//! `strategy.matrix`: the variants it makes, and their values in `${{ .. }}`.

use serde_json::{Map, Value};

use super::{InvalidWorkflow, MAX_MATRIX, invalid, list};

/// The variants of a job; one without values if it has no matrix.
pub(super) fn expand(key: &str, job: &Value) -> Result<Vec<Map<String, Value>>, InvalidWorkflow> {
    let Some(matrix) = job.get("strategy").and_then(|strategy| strategy.get("matrix")) else {
        return Ok(vec![Map::new()]);
    };
    let Some(matrix) = matrix.as_object() else {
        return invalid(format!("the matrix of {key} is not static"));
    };
    let axes: Vec<(&String, &Value)> =
        matrix.iter().filter(|(name, _)| !matches!(name.as_str(), "include" | "exclude")).collect();
    let mut variants = if axes.is_empty() { Vec::new() } else { vec![Map::new()] };
    for (name, values) in &axes {
        let Some(values) = values.as_array() else {
            return invalid(format!("matrix.{name} of {key} is not a static list"));
        };
        if variants.len() * values.len() > MAX_MATRIX {
            return invalid(format!("the matrix of {key} makes more than {MAX_MATRIX} jobs"));
        }
        variants = variants
            .iter()
            .flat_map(|variant| {
                values.iter().map(|value| {
                    let mut variant = variant.clone();
                    variant.insert((*name).clone(), value.clone());
                    variant
                })
            })
            .collect();
    }
    let excludes = objects(matrix.get("exclude"));
    variants.retain(|variant| !excludes.iter().any(|exclude| agrees(variant, exclude)));
    // "include" extends the variants it does not contradict on an axis, and else adds one (GitHub docs, "Expanding or
    // adding matrix configurations"); variants that it added itself are not extended.
    let original = variants.len();
    for include in objects(matrix.get("include")) {
        let on_axes: Map<String, Value> = include
            .iter()
            .filter(|(name, _)| axes.iter().any(|(axis, _)| axis == name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut extended = false;
        for variant in variants.iter_mut().take(original) {
            if agrees(variant, &on_axes) {
                variant.extend(include.clone());
                extended = true;
            }
        }
        if !extended {
            variants.push(include);
        }
    }
    match variants.len() {
        0 => invalid(format!("the matrix of {key} is empty")),
        1..=MAX_MATRIX => Ok(variants),
        _ => invalid(format!("the matrix of {key} makes more than {MAX_MATRIX} jobs")),
    }
}

fn objects(value: Option<&Value>) -> Vec<Map<String, Value>> {
    list(value).into_iter().filter_map(|item| item.as_object().cloned()).collect()
}

fn agrees(variant: &Map<String, Value>, with: &Map<String, Value>) -> bool {
    with.iter().all(|(name, value)| variant.get(name) == Some(value))
}

/// A scalar as an expression shows it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Replaces every `${{ .. }}` in `template`.
pub(super) fn fill(template: &str, variant: &Map<String, Value>, workflow: &str) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${{") {
        let Some((expression, behind)) = after.split_once("}}") else { break };
        filled.push_str(before);
        filled.push_str(&evaluate(expression.trim(), variant, workflow));
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

fn evaluate(expression: &str, variant: &Map<String, Value>, workflow: &str) -> String {
    if let Some(name) = expression.strip_prefix("matrix.") {
        let mut parts = name.split('.');
        let first = parts.next().and_then(|part| variant.get(part));
        return parts
            .fold(first, |value, part| value.and_then(|value| value.get(part)))
            .map(text)
            .unwrap_or_default();
    }
    match expression {
        "github.workflow" => workflow.to_owned(),
        "github.ref_name" => "main".to_owned(),
        "github.ref" => "refs/heads/main".to_owned(),
        "github.event_name" => "workflow_dispatch".to_owned(),
        _ => String::new(),
    }
}
