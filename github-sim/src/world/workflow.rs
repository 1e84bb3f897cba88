//! A workflow file as [`JobSpec`]s: pure, text in, data out.
//!
//! Understood: `name`, `on` (only for existence), `env`, `jobs.<key>` with `name`, `runs-on` in its three forms, `needs`,
//! `if: false | always()`, `environment`, `env`, a static `strategy.matrix` with `include` and `exclude`, and `steps`. `${{ matrix.x }}`
//! is filled in everywhere; of the other contexts a few constants are known and the rest is empty, as on GitHub.
//! (GitHub docs, "Workflow syntax for GitHub Actions".)

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::model::{Action, JobSpec, Step};

mod matrix;

/// Most jobs a matrix may make (GitHub docs, "Workflow syntax", `strategy.matrix`).
pub const MAX_MATRIX: usize = 256;

/// A workflow file, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Its `name`, or else its path.
    pub name: String,
    /// Every job, matrix variants apart, in the order of the file.
    pub jobs: Vec<JobSpec>,
}

/// Why a workflow cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid workflow file: {0}")]
pub struct InvalidWorkflow(pub String);

fn invalid<T>(reason: impl Into<String>) -> Result<T, InvalidWorkflow> {
    Err(InvalidWorkflow(reason.into()))
}

/// Reads the workflow at `path`.
pub fn parse(path: &str, text: &str) -> Result<Workflow, InvalidWorkflow> {
    // `on:` must stay a word; the budget keeps an alias bomb from growing.
    let options = serde_saphyr::options! { strict_booleans: true };
    let root: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|reason| InvalidWorkflow(reason.to_string()))?;
    let name = root.get("name").and_then(Value::as_str).unwrap_or(path).to_owned();
    if root.get("on").is_none() {
        return invalid("`on` is missing");
    }
    let Some(jobs) = root.get("jobs").and_then(Value::as_object).filter(|jobs| !jobs.is_empty())
    else {
        return invalid("`jobs` must hold at least one job");
    };
    let env = texts(root.get("env"));
    let mut specs = Vec::new();
    for (key, job) in jobs {
        specs.extend(job_specs(key, job, &env, &name)?);
    }
    for spec in &specs {
        if let Some(missing) = spec.needs.iter().find(|need| !jobs.contains_key(*need)) {
            return invalid(format!("job {} needs {missing}, which is not there", spec.key));
        }
    }
    if has_cycle(&specs) {
        return invalid("`needs` goes round in a circle");
    }
    Ok(Workflow { name, jobs: specs })
}

fn job_specs(
    key: &str,
    job: &Value,
    workflow_env: &BTreeMap<String, String>,
    workflow: &str,
) -> Result<Vec<JobSpec>, InvalidWorkflow> {
    let reusable = job.get("uses").is_some();
    if job.get("runs-on").is_none() && !reusable {
        return invalid(format!("job {key} lacks runs-on"));
    }
    let condition = job.get("if").map(|value| matrix::text(value).replace(' ', ""));
    let condition =
        condition.as_deref().map(|text| text.trim_start_matches("${{").trim_end_matches("}}"));
    let mut specs = Vec::new();
    for variant in matrix::expand(key, job)? {
        let fill = |value: &Value| matrix::fill(&matrix::text(value), &variant, workflow);
        let plain = if variant.is_empty() {
            key.to_owned()
        } else {
            let values: Vec<String> = variant.values().map(matrix::text).collect();
            format!("{key} ({})", values.join(", "))
        };
        let mut env = workflow_env.clone();
        env.extend(texts(job.get("env")));
        for value in env.values_mut() {
            *value = matrix::fill(value, &variant, workflow);
        }
        let (labels, group) = runs_on(job.get("runs-on"), &fill);
        specs.push(JobSpec {
            key: key.to_owned(),
            name: job.get("name").map_or(plain, fill),
            labels,
            group,
            needs: list(job.get("needs")).iter().map(matrix::text).collect(),
            always: condition == Some("always()"),
            never: condition == Some("false") || reusable,
            environment: environment(job).map(fill),
            env,
            steps: steps(key, job, &variant, workflow)?,
        });
    }
    Ok(specs)
}

fn runs_on(
    value: Option<&Value>,
    fill: &impl Fn(&Value) -> String,
) -> (Vec<String>, Option<String>) {
    match value {
        Some(Value::Object(parts)) => {
            let labels = list(parts.get("labels")).iter().map(fill).collect();
            (labels, parts.get("group").map(fill))
        }
        other => (list(other).iter().map(fill).collect(), None),
    }
}

/// An environment is its name, or a mapping with it.
fn environment(job: &Value) -> Option<&Value> {
    let environment = job.get("environment")?;
    if environment.is_object() { environment.get("name") } else { Some(environment) }
}

fn steps(
    key: &str,
    job: &Value,
    variant: &Map<String, Value>,
    workflow: &str,
) -> Result<Vec<Step>, InvalidWorkflow> {
    let mut steps = Vec::new();
    for (index, step) in list(job.get("steps")).iter().enumerate() {
        let text = |field: &str| {
            step.get(field).map(|value| matrix::fill(&matrix::text(value), variant, workflow))
        };
        let action = match (text("run"), text("uses")) {
            (Some(script), None) => Action::Run(script),
            (None, Some(action)) => Action::Uses(action),
            _ => return invalid(format!("step {} of {key} needs one of run, uses", index + 1)),
        };
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let plain = match &action {
            Action::Run(text) | Action::Uses(text) => format!("Run {}", first(text)),
        };
        let mut env = texts(step.get("env"));
        for value in env.values_mut() {
            *value = matrix::fill(value, variant, workflow);
        }
        steps.push(Step {
            name: text("name").unwrap_or(plain),
            action,
            shell: text("shell"),
            env,
            continue_on_error: text("continue-on-error").is_some_and(|text| text == "true"),
        });
    }
    Ok(steps)
}

/// A list, or the one thing that stands for a list of one.
fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    }
}

/// A map of scalars as texts.
fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), matrix::text(value))).collect()
}

fn has_cycle(specs: &[JobSpec]) -> bool {
    let mut open: Vec<&JobSpec> = specs.iter().collect();
    loop {
        let blocked = |spec: &&JobSpec| {
            spec.needs.iter().any(|need| open.iter().any(|other| other.key == *need))
        };
        let next: Vec<&JobSpec> = open.iter().copied().filter(blocked).collect();
        if next.is_empty() || next.len() == open.len() {
            return !next.is_empty();
        }
        open = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(text: &str) -> Result<Vec<JobSpec>, InvalidWorkflow> {
        parse("x.yml", text).map(|workflow| workflow.jobs)
    }

    #[test]
    fn runs_on_has_three_forms() {
        let text = "on: push\njobs:\n  a: {runs-on: ubuntu-latest}\n  b: {runs-on: [self-hosted, GPU]}\n  c: {runs-on: {group: big, labels: [x, y]}}\n  d: {runs-on: {group: big}}";
        let found: Vec<_> =
            jobs(text).unwrap().into_iter().map(|job| (job.labels, job.group)).collect();
        let big = Some("big".to_owned());
        assert_eq!(
            found,
            [
                (vec!["ubuntu-latest".to_owned()], None),
                (vec!["self-hosted".to_owned(), "GPU".to_owned()], None),
                (vec!["x".to_owned(), "y".to_owned()], big.clone()),
                (vec![], big),
            ]
        );
    }

    #[test]
    fn a_matrix_fills_names_labels_scripts_and_environment() {
        let text = "name: CI\non: [push]\nenv: {A: 1}\njobs:\n  t:\n    strategy:\n      matrix:\n        os: [linux, arm]\n        v: [1, 2]\n        exclude: [{os: arm, v: 2}]\n        include: [{os: linux, v: 1, extra: yes}, {os: win, v: 9}]\n    runs-on: [self-hosted, '${{ matrix.os }}']\n    env: {V: '${{matrix.v}}'}\n    steps:\n      - run: echo ${{ matrix.extra }}${{ secrets.nothing }}.";
        let jobs = jobs(text).unwrap();
        let names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["t (linux, 1, yes)", "t (linux, 2)", "t (arm, 1)", "t (win, 9)"]);
        assert_eq!(jobs[0].labels, ["self-hosted", "linux"]);
        assert_eq!((jobs[1].env["A"].as_str(), jobs[1].env["V"].as_str()), ("1", "2"));
        assert_eq!(jobs[0].steps[0].action, Action::Run("echo yes.".into()));
        assert_eq!(jobs[3].steps[0].action, Action::Run("echo .".into()));
    }

    #[test]
    fn steps_keep_what_the_file_says() {
        let text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v5\n      - name: Fail\n        run: |\n          echo one\n          exit 3\n        shell: bash\n        continue-on-error: true\n        env: {K: v}";
        let steps = jobs(text).unwrap().remove(0).steps;
        assert_eq!(steps[0].action, Action::Uses("actions/checkout@v5".into()));
        assert_eq!(steps[0].name, "Run actions/checkout@v5");
        assert_eq!(steps[1].action, Action::Run("echo one\nexit 3\n".into()));
        assert_eq!((steps[1].shell.as_deref(), steps[1].env["K"].as_str()), (Some("bash"), "v"));
        assert!(steps[1].continue_on_error);
    }

    #[test]
    fn what_github_refuses_is_refused() {
        let cases = [
            ("jobs: {a: {runs-on: x}}", "`on`"),
            ("on: push\njobs: {}", "at least one"),
            ("on: push\njobs: {a: {steps: []}}", "lacks runs-on"),
            ("on: push\njobs: {a: {runs-on: x, needs: b}}", "not there"),
            ("on: push\njobs: {a: {runs-on: x, needs: b}, b: {runs-on: x, needs: a}}", "circle"),
            ("on: push\njobs: {a: {runs-on: x, steps: [{name: y}]}}", "one of run, uses"),
            ("on: push\njobs: {a: {runs-on: x, strategy: {matrix: '${{ f() }}'}}}", "static"),
            ("on: [push", "Invalid workflow file"),
        ];
        for (text, word) in cases {
            let reason = jobs(text).unwrap_err().to_string();
            assert!(reason.contains(word), "{text}: {reason}");
        }
    }

    #[test]
    fn conditions_that_need_no_expression_are_known() {
        let text = "on: push\njobs:\n  a: {runs-on: x, if: false}\n  b: {runs-on: x, if: '${{ always() }}'}\n  c: {uses: ./.github/workflows/r.yml}";
        let jobs = jobs(text).unwrap();
        let flags: Vec<_> = jobs.iter().map(|job| (job.never, job.always)).collect();
        assert_eq!(flags, [(true, false), (false, true), (true, false)]);
    }
}
