//! docs/metrics.md beside what a service exposes. Each service's tests take this file in.

use std::collections::{BTreeMap, BTreeSet};

/// Every metric as `name | type | labels`, from the `OpenMetrics` text: names as Prometheus stores them, labels in their order.
pub(crate) fn exposed(text: &str) -> BTreeSet<String> {
    let types: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let row = |(name, kind): (&&str, &&str)| {
        let full = match *kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => (*name).to_owned(),
        };
        let sample = text.lines().filter(|line| !line.starts_with('#')).find(|line| {
            let rest = line.strip_prefix(&*full);
            let rest = rest.map(|rest| rest.strip_prefix("_bucket").unwrap_or(rest));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        format!("{full} | {kind} | {}", labels(sample.unwrap_or_default()))
    };
    types.iter().map(row).collect()
}

/// The names of a sample's labels.
fn labels(sample: &str) -> String {
    let inside = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let pairs = inside.map_or("", |(inside, _)| inside).split("\",");
    let names = pairs.filter_map(|pair| Some(pair.split_once('=')?.0)).filter(|name| *name != "le");
    names.collect::<Vec<_>>().join(", ")
}

/// The rows of the page's tables whose names begin with `prefix` and with none of `others`.
pub(crate) fn documented(prefix: &str, others: &[&str]) -> BTreeSet<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"))
        .unwrap();
    let plain = |cell: &str| cell.trim().replace('`', "");
    page.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.split('|').map(plain).take(3).collect::<Vec<_>>().join(" | "))
        .filter(|row| row.starts_with(prefix) && !others.iter().any(|other| row.starts_with(other)))
        .collect()
}
