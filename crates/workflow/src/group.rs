//! Which runner group a queued job asks for. GitHub tells a job's name, its labels and its run's file, and not the group.

use std::collections::BTreeSet;

use super::limits::{MAX_WORK, Work};
use super::matrix::{self, Leg};
use super::runs_on::{LegGroup, RunsOn};
use super::value::Value;
use super::{matrix_of, yaml};

/// The runner group that a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedGroup {
    /// This one, as it is written there.
    Named(String),
    /// The job is one of another workflow of the repository, which is called.
    Called {
        /// That workflow's file.
        path: String,
        /// The job's name there.
        job: String,
    },
    /// It cannot be told; why, as a clause.
    Unknown(String),
}

/// The runner group that the job named `name` with these `labels` asks for by the workflow file `text`.
pub fn group_of(text: &str, name: &str, labels: &[String]) -> AskedGroup {
    let unknown = |why: &str| AskedGroup::Unknown(why.to_owned());
    let Ok(file) = yaml::parse(text) else { return unknown("its workflow cannot be read as YAML") };
    let Some(Value::Map(jobs)) = file.entry("jobs") else {
        return unknown("its workflow has no jobs");
    };
    let (calls, own): (Vec<_>, Vec<_>) = jobs
        .iter()
        .map(|(key, job)| (&**key, job))
        .partition(|(_, job)| job.entry("uses").is_some());
    let work = Work::new(MAX_WORK);
    let named: Vec<&Value> =
        own.iter().filter(|(key, job)| fits(&title(key, job), name)).map(|(_, job)| *job).collect();
    if !named.is_empty() {
        return only(&named, labels, &work);
    }
    for (key, job) in &calls {
        let Some(inner) = below(&title(key, job), name) else { continue };
        let Some(Value::Text(uses)) = job.entry("uses") else { continue };
        return match uses.strip_prefix("./") {
            Some(path) => AskedGroup::Called { path: path.to_owned(), job: inner.to_owned() },
            None => unknown(&format!("it is a job of {uses}, which is another repository's")),
        };
    }
    if calls.is_empty() {
        // Whatever it is called: it is one of these.
        let all: Vec<&Value> = own.iter().map(|(_, job)| *job).collect();
        return only(&all, labels, &work);
    }
    unknown("its workflow has no job of its name")
}

/// The one group that those of `jobs` ask for that have these `labels`.
fn only(jobs: &[&Value], labels: &[String], work: &Work) -> AskedGroup {
    let mut groups: BTreeSet<LegGroup> = BTreeSet::new();
    for job in jobs {
        let Some(written) = job.entry("runs-on") else { continue };
        let legs = matrix_of(job).map(|matrix| matrix::legs(&matrix, work));
        let legs = legs.unwrap_or_else(|| vec![Leg::single()]);
        groups.extend(RunsOn::of(written).groups(&legs, labels, work));
    }
    let why = match (groups.pop_first(), groups.len()) {
        (Some(LegGroup::Named(group)), 0) => return AskedGroup::Named(group),
        (None | Some(LegGroup::Absent), 0) => "its workflow names none for it",
        (last, _) if last == Some(LegGroup::Runtime) || groups.contains(&LegGroup::Runtime) => {
            "only run time decides it"
        }
        _ => "jobs that it may be ask for different groups",
    };
    AskedGroup::Unknown(why.to_owned())
}

/// What a job is called: its `name`, or else its key (docs: "Workflow syntax", `jobs.<job_id>.name`).
fn title(key: &str, job: &Value) -> String {
    match job.entry("name") {
        Some(Value::Text(name)) => name.to_string(),
        _ => key.to_owned(),
    }
}

/// True if a job of this title can have this name: that of a leg of a matrix ends with its values in brackets.
fn fits(title: &str, name: &str) -> bool {
    if !title.contains("${{") {
        let leg = |rest: &str| rest.starts_with(" (") && rest.ends_with(')');
        return name.strip_prefix(title).is_some_and(|rest| rest.is_empty() || leg(rest));
    }
    let mut rest = name;
    for (index, part) in title.split("${{").enumerate() {
        let known =
            if index == 0 { part } else { part.split_once("}}").map_or("", |(_, after)| after) };
        let found =
            if index == 0 { rest.starts_with(known).then_some(0) } else { rest.find(known) };
        let Some(at) = found else { return false };
        rest = &rest[at + known.len()..];
    }
    true
}

/// The name of a job within the workflow that a job of this title calls: GitHub joins both with ` / `.
fn below<'n>(title: &str, name: &'n str) -> Option<&'n str> {
    let parts = name.match_indices(" / ");
    let mut parts = parts.filter(|(at, _)| fits(title, &name[..*at]));
    parts.next().map(|(at, divider)| &name[at + divider.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r"
on: push
jobs:
  build: {runs-on: {group: big}, steps: []}
  test:
    name: Test it
    strategy: {matrix: {os: [a, b]}}
    runs-on: {group: '${{ matrix.os }}-machines'}
  legs:
    name: leg ${{ matrix.g }} of many
    strategy: {matrix: {g: [x, y]}}
    runs-on: {group: same}
  labelled: {runs-on: {group: other, labels: [gpu]}}
  dynamic: {runs-on: {group: '${{ vars.GROUP }}'}}
  expression: {runs-on: '${{ vars.RUNNER }}'}
  local: {uses: ./.github/workflows/inner.yml}
  remote: {name: Far away, uses: o/r/.github/workflows/x.yml@v1}
";

    #[test]
    fn a_job_is_found_by_its_name_and_in_doubt_nothing_is_said() {
        let named = |group: &str| AskedGroup::Named(group.to_owned());
        let called = |job: &str| AskedGroup::Called {
            path: ".github/workflows/inner.yml".to_owned(),
            job: job.to_owned(),
        };
        let unknown = |why: &str| AskedGroup::Unknown(why.to_owned());
        let rows = [
            ("build", named("big")),
            ("build (x)", named("big")),
            ("leg y of many", named("same")),
            ("Test it (a)", unknown("jobs that it may be ask for different groups")),
            ("labelled", unknown("its workflow names none for it")),
            ("dynamic", unknown("only run time decides it")),
            ("expression", unknown("only run time decides it")),
            ("local / build", called("build")),
            ("local / deep / build", called("deep / build")),
            (
                "Far away / build",
                unknown(
                    "it is a job of o/r/.github/workflows/x.yml@v1, which is another repository's",
                ),
            ),
            ("nobody", unknown("its workflow has no job of its name")),
        ];
        for (name, expected) in rows {
            assert_eq!(group_of(FILE, name, &[]), expected, "{name}");
        }
    }

    #[test]
    fn a_job_with_labels_is_told_apart_by_them_too() {
        let named = |group: &str| AskedGroup::Named(group.to_owned());
        let unknown = |why: &str| AskedGroup::Unknown(why.to_owned());
        let none = || unknown("its workflow names none for it");
        let file = r"
on: push
jobs:
  both: {runs-on: {group: big, labels: [GPU, linux]}}
  one: {runs-on: {group: small, labels: gpu}}
  plain: {runs-on: [gpu, linux]}
  legs:
    strategy: {matrix: {g: [x, y]}}
    runs-on: {group: '${{ matrix.g }}', labels: ['${{ matrix.g }}-box']}
  mixed:
    name: same
    runs-on: {group: big, labels: [gpu]}
  mixed-2:
    name: same
    runs-on: gpu
  dynamic: {runs-on: {group: big, labels: ['${{ vars.LABEL }}']}}
  open: {runs-on: {group: '${{ vars.GROUP }}', labels: [gpu]}}
";
        let rows = [
            ("both", "linux,gpu", named("big")),
            ("both", "gpu", none()),
            ("both", "", none()),
            ("one", "gpu", named("small")),
            ("plain", "gpu,linux", none()),
            ("legs (y)", "y-box", named("y")),
            ("legs (y)", "z-box", none()),
            ("same", "gpu", unknown("jobs that it may be ask for different groups")),
            ("dynamic", "gpu", named("big")),
            ("open", "gpu", unknown("only run time decides it")),
        ];
        for (name, labels, expected) in rows {
            let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned);
            let labels: Vec<String> = labels.collect();
            assert_eq!(group_of(file, name, &labels), expected, "{name} {labels:?}");
        }
    }

    #[test]
    fn where_all_jobs_ask_for_one_group_the_name_does_not_matter() {
        let file = "on: push\njobs:\n  a: {runs-on: {group: g}}\n  b: {runs-on: ubuntu-latest}\n  c: {runs-on: {group: g}}\n";
        assert_eq!(group_of(file, "whatever", &[]), AskedGroup::Named("g".to_owned()));
        for (broken, why) in [
            ("", "its workflow has no jobs"),
            ("jobs: [", "its workflow cannot be read as YAML"),
            ("jobs: {}", "its workflow names none for it"),
            ("42", "its workflow has no jobs"),
        ] {
            assert_eq!(
                group_of(broken, "a", &[]),
                AskedGroup::Unknown(why.to_owned()),
                "{broken:?}"
            );
        }
    }
}
