//! Tables of what there is and what is said about it.

use mayfly_github::checkup::Level;

use super::super::finding::told;
use super::*;

const NOW: &str = "2026-03-31T12:00:00Z";

fn made(created: &str) -> ImageInspect {
    ImageInspect {
        id: Some("sha256:abc".to_owned()),
        created: Some(created.to_owned()),
        os: Some("linux".to_owned()),
        architecture: Some("amd64".to_owned()),
        ..ImageInspect::default()
    }
}

#[test]
fn an_image_of_more_than_thirty_days_is_old() {
    let cases = [
        ("2026-03-31T11:00:00.123456789Z", Level::Ok, "less than a day ago"),
        ("2026-03-30T11:00:00Z", Level::Ok, "a day ago"),
        ("2026-03-01T12:00:00Z", Level::Ok, "30 days ago"),
        ("2026-03-01T11:59:59Z", Level::Warning, "30 days ago"),
        ("2025-03-31T14:00:00+02:00", Level::Warning, "365 days ago"),
        ("2026-04-02T00:00:00Z", Level::Ok, "less than a day ago"),
        ("0001-01-01T00:00:00Z", Level::Ok, "does not tell"),
        ("1980-01-01T00:00:01Z", Level::Ok, "does not tell"),
        ("", Level::Ok, "does not tell"),
    ];
    for (created, level, words) in cases {
        let now = NOW.parse().unwrap();
        let found = age("img:1", &made(created), PullPolicy::Missing, now);
        assert_eq!(found.level, level, "{created}");
        assert!(found.what.contains(words), "{created}: {}", found.what);
        assert_eq!(
            found.hint.is_some_and(|hint| hint.contains("docker pull img:1")),
            level == Level::Warning
        );
    }
}

#[test]
fn an_absent_image_matters_where_it_is_not_pulled() {
    for (pull, level) in [
        (PullPolicy::Never, Level::Failure),
        (PullPolicy::Missing, Level::Ok),
        (PullPolicy::Always, Level::Ok),
    ] {
        assert_eq!(absent("img:1", pull).level, level, "{pull:?}");
    }
    assert!(absent("img:1", PullPolicy::Missing).what.contains("is pulled before"));
}

#[test]
fn the_platform_has_to_be_the_engine_s() {
    let cases = [
        (("linux", "amd64"), (Some("linux"), Some("amd64")), Level::Ok),
        (("linux", "arm64"), (Some("linux"), Some("amd64")), Level::Failure),
        (("linux", "amd64"), (Some("linux"), Some("arm64")), Level::Failure),
        (("windows", "amd64"), (Some("linux"), Some("amd64")), Level::Failure),
        (("linux", "386"), (Some("linux"), Some("amd64")), Level::Warning),
        (("linux", "arm"), (Some("linux"), Some("arm64")), Level::Warning),
        (("linux", ""), (Some("linux"), Some("amd64")), Level::Ok),
        (("linux", "amd64"), (Some("linux"), None), Level::Ok),
    ];
    for ((os, architecture), engine, level) in cases {
        let image = ImageInspect {
            os: Some(os.to_owned()),
            architecture: Some(architecture.to_owned()),
            ..made(NOW)
        };
        let found = platform(&image, engine);
        assert_eq!(found.level, level, "{os}/{architecture} on {engine:?}: {}", found.what);
    }
}

#[test]
fn the_digest_is_told_where_there_is_one() {
    let image =
        ImageInspect { repo_digests: Some(vec!["ghcr.io/o/i@sha256:def".to_owned()]), ..made(NOW) };
    assert!(presence("i", &image).what.ends_with("(digest sha256:def)"));
    assert!(presence("i", &made(NOW)).what.contains("it was not pulled; id sha256:abc"));
}

#[test]
fn what_is_said_of_an_image_is_said_in_full() {
    let now = NOW.parse().unwrap();
    let old = || made("2026-02-01T00:00:00Z");
    let engine = (Some("linux"), Some("arm64"));
    let found = judge("img:1", &old(), PullPolicy::Always, engine, now);
    let expected = [
        "Ok: the image img:1 is on the engine (no digest: it was not pulled; id sha256:abc)",
        "Warning: the image was made 58 days ago → GitHub refuses runners of old versions: name a newer tag in RUNNER_IMAGE, if pulling this one brings none",
        "Failure: the image is for linux/amd64, the engine is linux/arm64 → have RUNNER_IMAGE name an image for linux/arm64",
    ];
    assert_eq!(told(&found), expected);
    let pull = "Warning: the image was made 58 days ago → GitHub refuses runners of old versions: docker pull img:1 (or build it anew), or name a newer tag in RUNNER_IMAGE";
    let image = |architecture: &str| ImageInspect {
        architecture: Some(architecture.to_owned()),
        ..made(NOW)
    };
    let found = [
        age("img:1", &old(), PullPolicy::Missing, now),
        age("img:1", &old(), PullPolicy::Never, now),
        age("img:1", &made(""), PullPolicy::Never, now),
        age("img:1", &made("1980-01-02T00:00:00Z"), PullPolicy::Never, now),
        absent("img:1", PullPolicy::Never),
        absent("img:1", PullPolicy::Missing),
        platform(&image("arm64"), engine),
        platform(&image("arm"), engine),
        platform(&image(""), engine),
    ];
    let runs = "such a processor usually runs it, but an image of its own kind is safer";
    let expected = [
        pull,
        pull,
        "Ok: note: the image does not tell when it was made; GitHub refuses runners of old versions",
        "Ok: note: the image does not tell when it was made; GitHub refuses runners of old versions",
        "Failure: the image img:1 is not on the engine, and RUNNER_PULL_POLICY=never → docker pull img:1, or build it, or set RUNNER_PULL_POLICY=missing",
        "Ok: note: the image img:1 is not on the engine yet; it is pulled before the first runner starts, without credentials for its registry",
        "Ok: the image is for linux/arm64, as the engine is",
        &*format!("Warning: the image is for linux/arm, the engine is linux/arm64 → {runs}"),
        "Ok: note: whether the image's platform is the engine's cannot be told",
    ];
    assert_eq!(told(&found), expected);
}
