//! Limits, and a machine of 8 GiB and two processors.

use super::*;
use crate::Config;

/// Variables, and what does not fit: whether Docker refuses it, and its words.
type Row = (&'static [(&'static str, &'static str)], &'static [(bool, &'static str)]);

const MACHINE: HostResources =
    HostResources { memory: Some(8 << 30), nano_cpus: Some(2_000_000_000) };

fn runner(variables: &[(&str, &str)]) -> RunnerConfig {
    let fixed = [("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "img")];
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Config::from_variables(fixed.iter().chain(variables).map(owned).collect()).unwrap().runner
}

#[test]
fn what_the_machine_does_not_have_is_named_with_what_it_has() {
    let rows: [Row; 10] = [
        (&[("RUNNER_CPUS", "2"), ("RUNNER_MEMORY", "8g")], &[]),
        (
            &[("RUNNER_CPUS", "2.5")],
            &[(true, "RUNNER_CPUS=2.5 is more than the machine's 2 processors")],
        ),
        (
            &[("RUNNER_MEMORY", "9g")],
            &[(false, "RUNNER_MEMORY=9g is more than the machine's 8.0 GiB of memory")],
        ),
        (&[("MAX_RUNNERS_MEMORY", "8g")], &[]),
        (
            &[("MAX_RUNNERS_MEMORY", "12g")],
            &[(false, "MAX_RUNNERS_MEMORY=12g is more than the machine's 8.0 GiB of memory")],
        ),
        (&[("MAX_RUNNERS_CPUS", "2")], &[]),
        (
            &[("MAX_RUNNERS_CPUS", "2.5")],
            &[(false, "MAX_RUNNERS_CPUS=2.5 is more than the machine's 2 processors")],
        ),
        (&[("RUNNER_DOCKER", "dind"), ("RUNNER_CPUS", "1"), ("RUNNER_MEMORY", "4g")], &[]),
        (
            &[("RUNNER_DOCKER", "dind"), ("RUNNER_CPUS", "2"), ("RUNNER_MEMORY", "5g")],
            &[
                (
                    false,
                    "RUNNER_CPUS=2 (4 with the Docker engine beside the runner) is more than the machine's 2 processors",
                ),
                (
                    false,
                    "RUNNER_MEMORY=5g (10g with the Docker engine beside the runner) is more than the machine's 8.0 GiB of memory",
                ),
            ],
        ),
        (
            &[("RUNNER_CPUS", "64"), ("RUNNER_MEMORY", "512g")],
            &[
                (true, "RUNNER_CPUS=64 is more than the machine's 2 processors"),
                (false, "RUNNER_MEMORY=512g is more than the machine's 8.0 GiB of memory"),
            ],
        ),
    ];
    for (variables, expected) in rows {
        let found = environment(&MACHINE, &runner(variables));
        let found: Vec<(bool, &str)> =
            found.iter().map(|misfit| (misfit.refused, misfit.what.as_str())).collect();
        assert_eq!(found, expected, "{variables:?}");
        assert!(environment(&HostResources::default(), &runner(variables)).is_empty(), "not told");
    }
}

#[test]
fn what_all_runners_may_use_together_counts_where_nothing_bounds_it() {
    let of = |variables: &[(&str, &str)]| unbounded(&MACHINE, &runner(variables));
    assert_eq!(of(&[("MAX_RUNNERS", "2"), ("RUNNER_MEMORY", "4g")]), None);
    assert_eq!(of(&[("MAX_RUNNERS", "3"), ("RUNNER_MEMORY", "4g")]), Some(12 << 30));
    assert_eq!(of(&[("MAX_RUNNERS", "3"), ("MAX_RUNNERS_MEMORY", "6g")]), None);
    let dind = [("MAX_RUNNERS", "2"), ("RUNNER_MEMORY", "4g"), ("RUNNER_DOCKER", "dind")];
    assert_eq!(of(&dind), Some(16 << 30), "the engine beside a runner counts, too");
    let of = |variables: &[(&str, &str)]| unbounded_cpus(&MACHINE, &runner(variables));
    assert_eq!(of(&[("MAX_RUNNERS", "4"), ("RUNNER_CPUS", "0.5")]), None);
    assert_eq!(of(&[("MAX_RUNNERS", "5"), ("RUNNER_CPUS", "0.5")]), Some(2_500_000_000));
    assert_eq!(of(&[("MAX_RUNNERS", "5"), ("MAX_RUNNERS_CPUS", "2")]), None);
    let dind = [("MAX_RUNNERS", "2"), ("RUNNER_CPUS", "1"), ("RUNNER_DOCKER", "dind")];
    assert_eq!(of(&dind), Some(4_000_000_000), "the engine beside a runner counts, too");
}

fn misfit(refused: bool, what: &str, hint: &str) -> Misfit {
    Misfit { refused, what: what.to_owned(), hint: hint.to_owned() }
}

#[test]
fn what_to_do_about_a_limit_is_told_with_what_would_fit() {
    let too_much = &[
        ("RUNNER_CPUS", "3"),
        ("RUNNER_MEMORY", "9g"),
        ("MAX_RUNNERS_MEMORY", "12g"),
        ("MAX_RUNNERS_CPUS", "5"),
    ];
    let expected = [
        misfit(
            true,
            "RUNNER_CPUS=3 is more than the machine's 2 processors",
            "set it to 2 or less: Docker refuses to make such a runner",
        ),
        misfit(
            false,
            "RUNNER_MEMORY=9g is more than the machine's 8.0 GiB of memory",
            "set it to less than 8.0 GiB: a job that uses what it is given makes the kernel end programs, and not only its own",
        ),
        misfit(
            false,
            "MAX_RUNNERS_MEMORY=12g is more than the machine's 8.0 GiB of memory",
            "set MAX_RUNNERS_MEMORY to less than the machine has: when memory runs out, the kernel ends programs, and not only jobs",
        ),
        misfit(
            false,
            "MAX_RUNNERS_CPUS=5 is more than the machine's 2 processors",
            "set MAX_RUNNERS_CPUS to 2 or less, unless jobs may slow each other down",
        ),
    ];
    assert_eq!(environment(&MACHINE, &runner(too_much)), expected);
    let beside = &[("RUNNER_DOCKER", "dind"), ("RUNNER_CPUS", "2"), ("RUNNER_MEMORY", "5g")];
    let hints: Vec<String> =
        environment(&MACHINE, &runner(beside)).into_iter().map(|misfit| misfit.hint).collect();
    assert_eq!(
        hints,
        [
            "set it to 1 or less: the runner and its engine slow each other down",
            "set it to less than 4.0 GiB: a job that uses what it is given makes the kernel end programs, and not only its own",
        ]
    );
}

#[test]
fn a_pool_s_limits_are_named_as_the_pool_has_them() {
    use mayfly_common::pool::PoolSpec;

    let variables =
        [("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "img"), ("DIND_ENABLED", "true")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let config = Config::from_variables(variables.into_iter().map(owned).collect()).unwrap();
    let of = |resources: serde_json::Value| {
        let spec = serde_json::json!({"name": "ci", "docker": "dind", "resources": resources});
        pool(&MACHINE, &Pool::of(PoolSpec::from_json(&spec, "").unwrap(), &config).unwrap())
    };
    assert_eq!(of(serde_json::json!({"memory": "4g", "cpus": "1"})), []);
    assert_eq!(
        of(serde_json::json!({"memory": "9g", "cpus": "1.5"})),
        [
            misfit(
                false,
                "pool ci: cpus 1.5 (3 with the Docker engine beside the runner) is more than the machine's 2 processors",
                "set it to 1 or less: the runner and its engine slow each other down",
            ),
            misfit(
                false,
                "pool ci: memory 9g is more than the machine's 8.0 GiB of memory",
                "set it to less than 4.0 GiB: a job that uses what it is given makes the kernel end programs, and not only its own",
            ),
        ]
    );
}

#[test]
fn memory_is_shown_with_one_digit_and_never_rounded_up() {
    let rows = [
        (0, "0.0 GiB"),
        (107_374_182, "0.0 GiB"),
        (107_374_183, "0.1 GiB"),
        (1 << 29, "0.5 GiB"),
        (1_073_741_823, "0.9 GiB"),
        (1 << 30, "1.0 GiB"),
        (16_710_000_000, "15.5 GiB"),
    ];
    for (bytes, expected) in rows {
        assert_eq!(gibibytes(bytes), expected, "{bytes}");
    }
}
