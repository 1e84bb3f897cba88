//! `mayfly pool apply`: pools from a file, again and again with the same outcome.
//!
//! The whole file is checked before anything is changed. Each change names the revision that it was decided on, so that nobody
//! else's change is undone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use mayfly_common::api::{Pool, PoolList, PoolSource};
use mayfly_common::foreign_text::message;
use mayfly_common::pool::PoolSpec;
use reqwest::Method;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::print::Output;

/// Where the pools are described.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A YAML file with a list `pools`, or `-` for standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Remove pools that the file does not have.
    #[arg(long)]
    prune: bool,
}

/// What a file has to be.
const NO_POOLS: &str =
    "a file of pools is `pools:` with a list of pools below it, and nothing else";

/// One thing to do.
enum Step {
    Create(Value),
    Replace { spec: Value, tag: String, changes: Vec<String> },
    Keep,
    Delete { tag: String },
}

pub(super) async fn run(gateway: &Gateway, options: &Options) -> Result<Output, Failure> {
    let wanted = read(options)?;
    let list: PoolList = gateway.get("/pools").await?;
    let mut there: BTreeMap<String, Pool> = list
        .pools
        .into_iter()
        .filter(|pool| pool.source == PoolSource::Api)
        .map(|pool| (pool.name.clone(), pool))
        .collect();
    let mut steps: Vec<(String, Step)> = Vec::new();
    for (name, spec) in wanted {
        let step = match there.remove(&name) {
            None => Step::Create(spec),
            Some(pool) if pool.spec == spec => Step::Keep,
            Some(pool) => {
                Step::Replace { changes: differences(&pool.spec, &spec), spec, tag: tag(&pool) }
            }
        };
        steps.push((name, step));
    }
    if options.prune {
        steps
            .extend(there.into_iter().map(|(name, pool)| (name, Step::Delete { tag: tag(&pool) })));
    }
    let (mut text, mut done) = (String::new(), Vec::new());
    for (name, step) in steps {
        let (sign, word, lines) = match &step {
            Step::Create(_) => ("+", "created", Vec::new()),
            Step::Replace { changes, .. } => ("~", "changed", changes.clone()),
            Step::Keep => ("=", "unchanged", Vec::new()),
            Step::Delete { .. } => ("-", "deleted", Vec::new()),
        };
        if !options.dry_run {
            carry_out(gateway, &name, &step).await.map_err(|failure| {
                Failure::Failed(format!("{text}pool {name}: {failure}\n→ what stands above is done; repeat the command when this is mended"))
            })?;
        }
        let would = if options.dry_run { " (not done: dry run)" } else { "" };
        let _ = writeln!(text, "{sign} {name}: {word}{}", if sign == "=" { "" } else { would });
        for line in &lines {
            let _ = writeln!(text, "    {line}");
        }
        done.push(json!({"pool": name, "outcome": word, "changes": lines}));
    }
    if text.is_empty() {
        "The file has no pool.\n".clone_into(&mut text);
    }
    Ok(Output::new(text, &json!({"dry_run": options.dry_run, "pools": done})))
}

async fn carry_out(gateway: &Gateway, name: &str, step: &Step) -> Result<(), Failure> {
    let path = format!("/pools/{name}");
    match step {
        Step::Create(spec) => {
            gateway.send::<Value>(Method::POST, "/pools", Some(spec), None).await.map(drop)
        }
        Step::Replace { spec, tag, .. } => {
            gateway.send::<Value>(Method::PUT, &path, Some(spec), Some(tag)).await.map(drop)
        }
        Step::Keep => Ok(()),
        Step::Delete { tag } => {
            gateway.send::<Value>(Method::DELETE, &path, None, Some(tag)).await.map(drop)
        }
    }
}

/// The pools of the file, each in the form in which the API shows it.
fn read(options: &Options) -> Result<Vec<(String, Value)>, Failure> {
    let shown = if options.file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        options.file.display().to_string()
    };
    let wrong = |why: String| Failure::Usage(format!("{shown}: {why}"));
    let text = if options.file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(&options.file)
    };
    let text = text.map_err(|error| wrong(error.to_string()))?;
    let list = list(&text).map_err(wrong)?;
    let (mut pools, mut errors) = (Vec::new(), Vec::new());
    for (index, value) in list.iter().enumerate() {
        match PoolSpec::from_json(value, &format!("/pools/{index}")) {
            Ok(spec) if pools.iter().any(|(name, _)| name == spec.name.as_str()) => {
                errors.push(format!("pools.{index}.name {} is there twice", spec.name));
            }
            Ok(spec) => {
                let spec_json =
                    serde_json::to_value(&spec).map_err(|error| wrong(error.to_string()))?;
                pools.push((spec.name.to_string(), spec_json));
            }
            Err(found) => errors.extend(found.into_iter().map(|error| {
                let pointer = error.pointer.trim_start_matches('/').replace('/', ".");
                format!("{pointer} {}", error.detail)
            })),
        }
    }
    if errors.is_empty() { Ok(pools) } else { Err(wrong(format!("\n  {}", errors.join("\n  ")))) }
}

/// The pools in a file's `text`, unread.
///
/// Errors: it is no such file; where, and why. What is in it is not repeated: another file may have been named, one with secrets.
fn list(text: &str) -> Result<Vec<Value>, String> {
    let file: Value = serde_saphyr::from_str(text).map_err(|error| {
        let told = message(&error.without_snippet().to_string());
        told.strip_prefix("error: ").unwrap_or(&told).to_owned()
    })?;
    match file {
        Value::Object(mut fields) if fields.len() == 1 => match fields.remove("pools") {
            Some(Value::Array(list)) => Ok(list),
            _ => Err(NO_POOLS.to_owned()),
        },
        _ => Err(NO_POOLS.to_owned()),
    }
}

fn tag(pool: &Pool) -> String {
    format!("\"{}\"", pool.revision)
}

/// The fields that differ, each with both values.
fn differences(old: &Value, new: &Value) -> Vec<String> {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return Vec::new() };
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown =
        |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differ
        .map(|name| format!("{name}: {} → {}", shown(old.get(name)), shown(new.get(name))))
        .collect()
}
