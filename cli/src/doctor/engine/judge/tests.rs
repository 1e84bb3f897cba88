//! Tables of answers and what is said about them.

use std::collections::HashMap;
use std::io::ErrorKind;

use bollard::models::Runtime;
use mayfly_github::checkup::Level;

use super::*;
use crate::doctor::finding::told;

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

#[test]
fn what_is_said_of_an_engine_is_said_in_full() {
    let version = |engine: &str, api: &str, least: Option<&str>| SystemVersion {
        version: Some(engine.to_owned()),
        api_version: Some(api.to_owned()),
        min_api_version: least.map(str::to_owned),
        ..SystemVersion::default()
    };
    let hint = "versions from 20.10 (API 1.41) are worked with: update the engine";
    let rows = [
        (
            version("28.2.2", "1.50", Some("1.24")),
            "Ok: its version is 28.2.2, its API's 1.50, down to 1.24".to_owned(),
        ),
        (
            version("19.3", "1.40", None),
            format!("Failure: its version is 19.3, its API's 1.40 → {hint}"),
        ),
        (
            SystemVersion::default(),
            format!(
                "Warning: its version is unknown, its API's unknown: whether that is new enough cannot be told → {hint}"
            ),
        ),
    ];
    for (version, said) in rows {
        assert_eq!(told(&[versions(&version)]), [said]);
    }
    let way = Way::of(Some("tcp://h:1"));
    let worse = SystemInfo {
        os_type: Some("windows".to_owned()),
        driver: Some("vfs".to_owned()),
        default_runtime: None,
        security_options: None,
        memory_limit: Some(false),
        cpu_cfs_quota: Some(false),
        pids_limit: Some(false),
        ..info()
    };
    let expected = [
        "Ok: the Docker Engine answers at tcp://h:1 (from DOCKER_HOST)",
        "Ok: its version is 28.0, its API's 1.48",
        "Failure: it runs windows containers → runners are Linux containers: switch the engine",
        "Ok: runners are run by unknown (its runtimes: crun, runc)",
        "Warning: its storage driver is vfs → vfs copies the whole image for every runner: use overlay2 (see \"Select a storage driver\")",
        "Ok: note: it is not rootless and maps no users: root in a container has root's number outside; runners get no capability by RUNNER_ISOLATION=strict all the same",
        "Warning: it does not filter system calls (seccomp) → build or configure the engine with seccomp: it is one wall less between jobs and this machine",
        "Warning: it cannot keep these limits: RUNNER_MEMORY, RUNNER_CPUS, RUNNER_PIDS_LIMIT → have the kernel's control groups delegated to the engine: for rootless Docker that takes cgroup v2 and systemd",
    ];
    assert_eq!(told(&engine(&way, &version("28.0", "1.48", None), &worse)), expected);
    for (dropped, name) in [
        (SystemInfo { memory_limit: Some(false), ..info() }, "RUNNER_MEMORY"),
        (SystemInfo { cpu_cfs_quota: Some(false), ..info() }, "RUNNER_CPUS"),
        (SystemInfo { pids_limit: Some(false), ..info() }, "RUNNER_PIDS_LIMIT"),
    ] {
        assert_eq!(limits(&dropped).unwrap().what, format!("it cannot keep these limits: {name}"));
    }
    assert!(
        limits(&SystemInfo { memory_limit: None, ..info() }).is_none(),
        "what is not told is not lacking"
    );
    let drivers = ["devicemapper", "aufs", "overlay"];
    for driver in drivers {
        let said = format!(
            "Warning: its storage driver is {driver} → newer engines do not know it any more: move to overlay2"
        );
        assert_eq!(told(&[storage(driver)]), [said]);
    }
    assert_eq!(
        told(&[storage(""), storage("btrfs")]),
        ["Ok: note: it does not tell its storage driver", "Ok: its storage driver is btrfs"]
    );
}

#[test]
fn a_socket_that_does_not_open_is_told_of_in_full() {
    let way = Way::Default;
    let at = "/var/run/docker.sock (DOCKER_HOST is not set)";
    let rights = Rights { mode: 0o640, owner: 5, group: "docker".to_owned() };
    let found = [
        closed(&way, &ErrorKind::NotFound.into(), None),
        closed(&way, &ErrorKind::PermissionDenied.into(), Some(&rights)),
        closed(&way, &ErrorKind::PermissionDenied.into(), None),
        closed(&way, &ErrorKind::ConnectionRefused.into(), None),
        closed(&way, &io::Error::other("odd"), None),
        silent(&way, "why"),
    ];
    let expected = [
        format!(
            "Failure: there is no Docker socket at {at} → start the Docker Engine, or have DOCKER_HOST name its socket; rootless Docker's is that of its user's number, such as unix:///run/user/1000/docker.sock"
        ),
        format!(
            "Failure: you may not use the Docker socket {at}: it is for user 5 and group docker (mode 0640) → join the group (sudo usermod -aG docker $USER) and log in anew; know that whoever may use this socket can become root on this machine"
        ),
        format!(
            "Failure: you may not use the Docker socket {at}, nor look at whose it is → a folder above it is closed to you: ask whoever runs the engine"
        ),
        format!(
            "Failure: the Docker socket {at} is there, but nobody answers → start the Docker Engine (sudo systemctl start docker)"
        ),
        format!(
            "Failure: the Docker socket {at} does not open: odd → look at whether the Docker Engine runs"
        ),
        format!(
            "Failure: the Docker Engine does not answer at {at}: why → look at DOCKER_HOST, and at whether the engine runs and listens there"
        ),
    ];
    assert_eq!(told(&found), expected);
}
