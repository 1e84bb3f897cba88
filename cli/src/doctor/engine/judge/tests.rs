//! Tables of answers and what is said about them.

use std::collections::HashMap;
use std::io::ErrorKind;

use bollard::models::Runtime;
use mayfly_github::checkup::Level;

use super::*;

fn text(found: &[Finding]) -> String {
    let lines = found.iter().map(|one| format!("{:?} {} {:?}", one.level, one.what, one.hint));
    lines.collect::<Vec<_>>().join("\n")
}

fn info() -> SystemInfo {
    SystemInfo {
        os_type: Some("linux".to_owned()),
        driver: Some("overlay2".to_owned()),
        default_runtime: Some("runc".to_owned()),
        runtimes: Some(HashMap::from([
            ("runc".to_owned(), Runtime::default()),
            ("crun".to_owned(), Runtime::default()),
        ])),
        security_options: Some(vec!["name=seccomp,profile=default".to_owned()]),
        memory_limit: Some(true),
        cpu_cfs_quota: Some(true),
        pids_limit: Some(true),
        ..SystemInfo::default()
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    let cases = [
        (Some("20.10.24+dfsg1"), Some("1.41"), Level::Ok),
        (Some("20.10.0"), Some("1.41"), Level::Ok),
        (Some("28.2.2"), Some("1.50"), Level::Ok),
        (Some("100.1"), Some("1.141"), Level::Ok),
        (Some("20.9.5"), Some("1.41"), Level::Failure),
        (Some("19.03.15"), Some("1.40"), Level::Failure),
        (Some("9.1"), Some("1.41"), Level::Failure),
        (Some("master"), Some("1.40"), Level::Failure),
        (Some("master"), Some("1.51"), Level::Warning),
        (Some("20.10.0"), None, Level::Warning),
        (None, None, Level::Warning),
    ];
    for (engine, api, level) in cases {
        let version = SystemVersion {
            version: engine.map(str::to_owned),
            api_version: api.map(str::to_owned),
            ..SystemVersion::default()
        };
        assert_eq!(versions(&version).level, level, "{engine:?} {api:?}");
    }
}

#[test]
fn an_ordinary_engine_is_fit() {
    let version = SystemVersion {
        version: Some("28.2.2".to_owned()),
        api_version: Some("1.50".to_owned()),
        min_api_version: Some("1.24".to_owned()),
        ..SystemVersion::default()
    };
    let found = engine(&Way::Default, &version, &info());
    assert!(found.iter().all(|one| one.level == Level::Ok), "{}", text(&found));
    let said = text(&found);
    for words in [
        "/var/run/docker.sock",
        "1.50, down to 1.24",
        "runc (its runtimes: crun, runc)",
        "overlay2",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn what_confines_less_is_said() {
    let options = |options: &[&str]| {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        SystemInfo { security_options: Some(options), ..info() }
    };
    let seccomp = "name=seccomp,profile=default";
    let cases = vec![
        (options(&[seccomp, "name=rootless"]), "it is rootless", 0),
        (options(&[seccomp, "name=userns"]), "user namespaces are used", 0),
        (options(&[seccomp]), "root's number outside", 0),
        (options(&[]), "does not filter system calls", 1),
        (options(&["name=seccomp,profile=unconfined"]), "does not filter system calls", 1),
        (SystemInfo { pids_limit: Some(false), ..info() }, "limits: RUNNER_PIDS_LIMIT", 1),
        (SystemInfo { driver: Some("vfs".to_owned()), ..info() }, "vfs copies", 1),
        (SystemInfo { driver: Some("aufs".to_owned()), ..info() }, "move to overlay2", 1),
        (SystemInfo { os_type: Some("windows".to_owned()), ..info() }, "windows containers", 1),
    ];
    let version = SystemVersion {
        version: Some("28.0.0".to_owned()),
        api_version: Some("1.48".to_owned()),
        ..SystemVersion::default()
    };
    for (info, words, wrong) in cases {
        let found = engine(&Way::Default, &version, &info);
        let said = text(&found);
        assert!(said.contains(words), "{words} in {said}");
        let count = found.iter().filter(|one| one.level > Level::Ok).count();
        assert_eq!(count, wrong, "{said}");
    }
}

#[test]
fn a_socket_that_does_not_open_says_what_to_do() {
    let rights = Rights { mode: 0o660, owner: 0, group: "docker".to_owned() };
    let cases = [
        (ErrorKind::NotFound, None, "no Docker socket", "start the Docker Engine"),
        (
            ErrorKind::PermissionDenied,
            Some(&rights),
            "user 0 and group docker (mode 0660)",
            "usermod -aG docker",
        ),
        (ErrorKind::PermissionDenied, None, "nor look at whose", "folder above"),
        (ErrorKind::ConnectionRefused, Some(&rights), "nobody answers", "systemctl start"),
        (ErrorKind::TimedOut, Some(&rights), "does not open", "runs"),
    ];
    let way = Way::of(Some("unix:///run/x.sock"));
    for (kind, rights, what, hint) in cases {
        let found = closed(&way, &kind.into(), rights);
        assert_eq!(found.level, Level::Failure);
        assert!(found.what.contains(what) && found.what.contains("/run/x.sock"), "{}", found.what);
        assert!(found.hint.unwrap().contains(hint), "{kind}");
    }
}

#[test]
fn the_way_is_named_with_who_says_so() {
    let cases = [
        (None, "/var/run/docker.sock (DOCKER_HOST is not set)", true),
        (Some("unix:///x"), "/x (from DOCKER_HOST)", true),
        (Some("tcp://h:2375"), "tcp://h:2375 (from DOCKER_HOST)", false),
    ];
    for (host, said, socket) in cases {
        let way = Way::of(host);
        assert_eq!((way.to_string().as_str(), way.socket().is_some()), (said, socket));
    }
}

#[test]
fn groups_have_names_where_they_have_some() {
    let groups = "root:x:0:\ndocker:x:998:me,you\nbroken\n";
    assert_eq!((group(groups, 998), group(groups, 99)), ("docker".to_owned(), "99".to_owned()));
}
