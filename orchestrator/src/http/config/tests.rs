//! What is recommended and warned of, and where the one begins and the other ends.

use super::*;

/// Variables, and what is said of them.
type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);

fn found(variables: &[(&str, &str)]) -> ConfigValidation {
    let fixed = [("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "img:1")];
    let fixed = fixed.iter().filter(|(name, _)| !variables.iter().any(|(other, _)| other == name));
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    validation(&Config::from_variables(fixed.chain(variables).map(owned).collect()).unwrap())
}

#[test]
fn what_would_be_better_is_recommended() {
    const ON: (&str, &str) = ("AUTO_CREATE_RUNNERS", "true");
    const OFF: &str = "AUTO_CREATE_RUNNERS=false: queued jobs start no runners; only the API does";
    const UNPINNED: &str = "RUNNER_IMAGE names no fixed version: pin one, and renew it within 30 days of each runner release";
    let rows: [Row; 9] = [
        (&[ON], &[]),
        (&[], &[OFF]),
        (&[("RUNNER_CHECK_INTERVAL", "10")], &[OFF]),
        (&[("RUNNER_CHECK_INTERVAL", "900")], &[OFF]),
        (&[ON, ("RUNNER_CHECK_INTERVAL", "30")], &[]),
        (
            &[ON, ("RUNNER_CHECK_INTERVAL", "29")],
            &[
                "RUNNER_CHECK_INTERVAL=29 asks GitHub often; with many repositories the limit may be spent",
            ],
        ),
        (&[ON, ("RUNNER_CHECK_INTERVAL", "600")], &[]),
        (
            &[ON, ("RUNNER_CHECK_INTERVAL", "601")],
            &["RUNNER_CHECK_INTERVAL=601 lets a queued job wait that long"],
        ),
        (&[ON, ("RUNNER_IMAGE", "img")], &[UNPINNED]),
    ];
    for (variables, expected) in rows {
        let found = found(variables);
        assert_eq!(found.recommendations, expected, "{variables:?}");
        assert_eq!((found.valid, found.errors.len(), found.warnings.len()), (true, 0, 0));
    }
}

#[test]
fn what_is_doubtful_is_warned_of() {
    let token = ("runnerenv_TOKEN", "{registration_token}");
    let once = "runners register by token and runnerenv_EPHEMERAL is not set: an image may then keep its runner after a job";
    assert_eq!(found(&[token]).warnings, [once]);
    assert!(found(&[token, ("runnerenv_EPHEMERAL", "1")]).warnings.is_empty());
    assert!(found(&[("runnerenv_EPHEMERAL", "1")]).warnings.is_empty());
    let both = found(&[token, ("MAX_RUNNER", "3")]).warnings;
    assert_eq!(both, ["MAX_RUNNER: is not read; is MAX_RUNNERS meant?", once]);
}
