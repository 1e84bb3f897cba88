//! How far a pull is, and what is said of an engine's refusals.

use super::*;

#[test]
fn a_pull_never_shows_more_than_there_is() {
    let progress = Progress::default();
    assert_eq!(progress.get(), None);
    progress.set(5, 0);
    assert_eq!(progress.get(), None, "it is not known yet how much there is");
    for (set, shown) in [((0, 9), (0, 9)), ((3, 9), (3, 9)), ((9, 9), (9, 9)), ((12, 9), (9, 9))] {
        progress.set(set.0, set.1);
        assert_eq!(progress.get(), Some(shown), "{set:?}");
    }
}

#[test]
fn every_refusal_says_what_is_in_the_way() {
    let rows = [
        (BackendError::unreachable("Docker", "why"), "Docker cannot be reached: why"),
        (BackendError::ImageMissing("img".into()), "the image img is not on the host"),
        (
            BackendError::NameTaken(RunnerName::parse("r-1").unwrap()),
            "another machine is named r-1 already",
        ),
        (
            BackendError::PullFailed { image: "img".into(), reason: "why".into() },
            "the image img cannot be pulled: why",
        ),
        (
            BackendError::Refused { title: "Docker", what: "act", reason: "why".into() },
            "Docker refused to act: why",
        ),
    ];
    for (error, expected) in rows {
        assert_eq!(error.to_string(), expected);
    }
}
