//! What is refused or doubted although each variable by itself could be meant.

use super::{errors, read};

use crate::credential::tests::scratch::Scratch;

/// Variables, and how the warnings of them begin.
type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn no_file_that_a_variable_names_is_read_without_bound() {
    let large = Scratch::new("settings-large", vec![b' '; (1 << 20) + 1]);
    for name in ["GITHUB_CA_FILE", "RUNNER_SECCOMP_PROFILE"] {
        let found = errors(&[(name, &*large.path())]);
        let expected = format!("{name}: {} is larger than 1 MiB", large.path());
        assert_eq!(found, [expected]);
    }
}

#[test]
fn a_filter_of_system_calls_names_actions_that_exist() {
    let form = |default: &str, action: &str| {
        format!(
            r#"{{"defaultAction": "{default}", "syscalls": [{{"names": ["read"], "action": "{action}"}}]}}"#
        )
    };
    let (errno, allow) = ("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW");
    for (default, action, wrong) in [
        (errno, allow, None),
        ("SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG", None),
        ("SCMP_ACT_NONE", allow, Some("SCMP_ACT_NONE")),
        ("", allow, Some("")),
        (errno, "ALLOW", Some("ALLOW")),
    ] {
        let file = Scratch::new("settings-seccomp", form(default, action));
        let path = file.path();
        let Some(wrong) = wrong else {
            assert!(read(&[("RUNNER_SECCOMP_PROFILE", &*path)]).runner.profile.seccomp.is_some());
            continue;
        };
        let found = errors(&[("RUNNER_SECCOMP_PROFILE", &*path)]);
        let start = format!(
            "RUNNER_SECCOMP_PROFILE: {path} names the action {wrong:?}, which seccomp does not have"
        );
        assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
    }
}

#[test]
fn the_own_filter_of_system_calls_holds_for_every_way_to_call_on_x86() {
    const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/seccomp/runner.json");
    let profile: serde_json::Value = serde_json::from_slice(&std::fs::read(OURS).unwrap()).unwrap();
    // Calls of an architecture that is not named end the process (libseccomp: SCMP_FLTATR_ACT_BADARCH). These are Docker's.
    let expected = serde_json::json!({
        "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    });
    assert_eq!(profile["archMap"][0], expected);
}

#[test]
fn variables_that_do_nothing_together_are_told() {
    let rows: [Row; 13] = [
        (&[("ORCHESTRATOR_HOST", "0.0.0.0")], &["ORCHESTRATOR_HOST: 0.0.0.0 lets other machines"]),
        (&[("ORCHESTRATOR_HOST", "::")], &["ORCHESTRATOR_HOST: :: lets other machines"]),
        (&[("ORCHESTRATOR_HOST", "0.0.0.0"), ("MAYFLY_ENV_FILE", ".env")], &[]),
        (&[("ORCHESTRATOR_HOST", "::1")], &[]),
        (&[("RUNNER_GROUP", "gpu")], &["RUNNER_GROUP: counts for runners of organisations"]),
        (&[("RUNNER_GROUP", "default")], &[]),
        (
            &[("GITHUB_ORGANIZATION", "octo")],
            &["GITHUB_ORGANIZATION: counts with DISCOVERY_MODE=organization"],
        ),
        (
            &[("DISCOVERY_INCLUDE", "a/*,b"), ("DISCOVERY_EXCLUDE", "B, A/*")],
            &["DISCOVERY_EXCLUDE: names all that DISCOVERY_INCLUDE names"],
        ),
        (&[("DISCOVERY_INCLUDE", "a/*,b"), ("DISCOVERY_EXCLUDE", "b")], &[]),
        (&[("DISCOVERY_EXCLUDE", "b")], &[]),
        (
            &[
                ("GITHUB_API_URL", "https://api.github.com"),
                ("GITHUB_SERVER_URL", "https://ghe.example"),
            ],
            &[
                "GITHUB_API_URL: is https://api.github.com, while GITHUB_SERVER_URL is at ghe.example",
            ],
        ),
        (&[("ALLOWED_IMAGES", "ghcr.io/me/**,[::1]:5000/*")], &[]),
        (&[("ALLOWED_IMAGES", "GHCR.io/me/**")], &[]),
    ];
    for (extra, expected) in rows {
        let found = read(extra).warnings;
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(line, start)| line.starts_with(start));
        assert!(fits, "{extra:?}: {found:?}");
    }
    for (text, words) in [
        ("[", "pattern \"[\" fits no image"),
        ("a[bc]/x", "pattern \"a[bc]/x\" fits no image"),
        (",", "names no image"),
        ("a/UPPER/**", "pattern \"a/UPPER/**\" fits no image"),
        ("*:v[1]", "pattern \"*:v[1]\" fits no image"),
        ("ghcr.io/Me/x", "pattern \"ghcr.io/Me/x\" fits no image"),
    ] {
        let found = errors(&[("ALLOWED_IMAGES", text)]);
        let start = format!("ALLOWED_IMAGES: {words}");
        assert!(found.len() == 1 && found[0].starts_with(&start), "{text}: {found:?}");
    }
}
