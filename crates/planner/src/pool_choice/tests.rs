//! Which pools a job is for, and what is said where none is.

use super::*;
use crate::lifecycle::tests::{at, policy};

fn job(labels: &[&str]) -> QueuedJob {
    QueuedJob {
        id: 1,
        repo: RepoSlug::parse("o/r").unwrap(),
        name: "job".to_owned(),
        labels: LabelSet::requested(labels),
        labels_unread: false,
        queued_at: at(0),
    }
}

fn pool(name: &str, labels: &[&str]) -> PoolPolicy {
    PoolPolicy {
        name: PoolName::parse(name).unwrap(),
        labels: LabelSet::requested(labels),
        ..policy().default
    }
}

fn told(offer: Offer<'_>) -> String {
    match offer {
        Offer::Ours(pools) => {
            pools.iter().map(|(pool, _)| pool.name.as_str()).collect::<Vec<_>>().join(" ")
        }
        Offer::Hosted => "hosted".to_owned(),
        Offer::Unmet(why, _) => why,
    }
}

#[test]
fn one_pool_takes_what_its_labels_cover() {
    let rows: [(&[&str], &str); 7] = [
        (
            &["self-hosted", "ubuntu-22.04"],
            "no runner here has the label ubuntu-22.04; ours have linux,self-hosted,x64",
        ),
        (&["self-hosted"], "default"),
        (&["Self-Hosted", "X64"], "default"),
        (&["ubuntu-latest"], "hosted"),
        (
            &["self-hosted", "gpu"],
            "no runner here has the label gpu; ours have linux,self-hosted,x64",
        ),
        (&["my-set"], "no runner here has the label my-set; ours have linux,self-hosted,x64"),
        (
            &[],
            "it asks for a runner group and no label; only organisations and enterprises have groups, and no pool has the scope org:o",
        ),
    ];
    for (labels, expected) in rows {
        assert_eq!(told(offer(&job(labels), None, &policy())), expected, "{labels:?}");
    }
}

#[test]
fn priority_goes_first_then_the_tightest_fit() {
    let mut policy = policy();
    policy.pools = vec![
        pool("wide", &["self-hosted", "linux", "x64", "gpu", "big"]),
        pool("tight", &["self-hosted"]),
        PoolPolicy { priority: 5, ..pool("first", &["self-hosted", "linux", "x64", "gpu"]) },
        PoolPolicy { enabled: false, ..pool("off", &["self-hosted", "special"]) },
        PoolPolicy {
            scopes: vec!["org:p".parse().unwrap()],
            ..pool("theirs", &["self-hosted", "theirs"])
        },
    ];
    let rows: [(&[&str], &str); 5] = [
        (&["self-hosted"], "first tight default wide"),
        (&["self-hosted", "gpu"], "first wide"),
        (&["self-hosted", "special"], "pool off would take it, but is disabled"),
        (
            &["self-hosted", "theirs"],
            "pool theirs has its labels, but does not serve o/r; it serves org:p",
        ),
        (
            &["self-hosted", "gpu", "huge"],
            "no pool offers all its labels; the nearest is wide, which lacks huge",
        ),
    ];
    for (labels, expected) in rows {
        assert_eq!(told(offer(&job(labels), None, &policy)), expected, "{labels:?}");
    }
}

#[test]
fn too_many_labels_are_told_as_such() {
    let mut policy = policy();
    policy.pools = vec![pool("gpu", &["gpu"])];
    let number = |length: usize| (0..200).map(move |n| format!("{n:0length$}"));
    for length in [3, 200] {
        let wanted =
            QueuedJob { labels: LabelSet::requested(number(length)), ..job(&["self-hosted"]) };
        let why = told(offer(&wanted, None, &policy));
        assert_eq!(why, "it asks for too many labels, or too long ones, for any runner");
    }
}

#[test]
fn a_pool_that_lacks_only_self_hosted_is_the_nearest() {
    let mut policy = policy();
    policy.pools = vec![pool("gpu", &["gpu", "linux", "x64"])];
    let why = told(offer(&job(&["self-hosted", "gpu"]), None, &policy));
    assert_eq!(why, "no pool offers all its labels; the nearest is gpu, which lacks self-hosted");
}

#[test]
fn what_helps_is_what_is_in_the_way() {
    let mut policy = policy();
    policy.pools = vec![
        PoolPolicy { enabled: false, ..pool("off", &["self-hosted", "special"]) },
        PoolPolicy {
            scopes: vec!["org:p".parse().unwrap()],
            ..pool("theirs", &["self-hosted", "theirs"])
        },
    ];
    let name = |name| PoolName::parse(name).unwrap();
    let rows = [
        ("special", Remedy::Enable(name("off"))),
        ("theirs", Remedy::Scope(name("theirs"))),
        ("other", Remedy::Labels),
    ];
    for (label, expected) in rows {
        let Offer::Unmet(_, remedy) = offer(&job(&["self-hosted", label]), None, &policy) else {
            panic!("{label} is offered")
        };
        assert_eq!(remedy, expected, "{label}");
    }
    policy.default.scopes = vec!["org:p".parse().unwrap()];
    policy.pools.clear();
    let Offer::Unmet(_, remedy) = offer(&job(&["self-hosted", "other"]), None, &policy) else {
        panic!("it is offered")
    };
    assert_eq!(remedy, Remedy::Pool);
}

#[test]
fn a_job_without_labels_is_for_the_pools_of_its_group_in_the_organisation() {
    let at = |name: &str, group: Option<&str>, scope: &str| PoolPolicy {
        group: group.map(str::to_owned),
        scopes: vec![scope.parse().unwrap()],
        ..pool(name, &["self-hosted"])
    };
    let mut policy = policy();
    policy.pools = vec![
        at("big", Some("Big"), "org:o"),
        at("plain", None, "org:o"),
        at("repo", None, "repo:o/r"),
        at("theirs", Some("big"), "org:p"),
        PoolPolicy { enabled: false, ..at("off", Some("sleepy"), "org:o") },
    ];
    let named = |name: &str| Some(Group::named(name));
    let rows = [
        (named("big"), "big"),
        (named("BIG"), "big"),
        (named("org/Big"), "big"),
        (named("Organization/big"), "big"),
        (named("org/default"), "plain"),
        (
            named("ent/big"),
            "it asks for the runner group big of its enterprise, and no runner of an enterprise is started for a job",
        ),
        (named("org/none"), "it asks for the runner group none, which no pool here has"),
        (named("default"), "plain"),
        (named("sleepy"), "pool off has its runner group sleepy, but is disabled"),
        (named("none"), "it asks for the runner group none, which no pool here has"),
        (
            Some(Group::Unknown("only run time decides it".to_owned())),
            "it asks for a runner group and no label, and which group cannot be told: only run time decides it",
        ),
    ];
    for (group, expected) in rows {
        assert_eq!(told(offer(&job(&[]), group.as_ref(), &policy)), expected, "{group:?}");
    }
    // What cannot be read is not called missing, unless its workflow tells the group.
    let unread = QueuedJob { labels_unread: true, ..job(&[]) };
    let unsure = Group::Unknown("its workflow names no group".to_owned());
    for group in [None, Some(&unsure)] {
        let Offer::Unmet(why, remedy) = offer(&unread, group, &policy) else { panic!() };
        assert_eq!(
            (why.as_str(), remedy),
            (
                "the labels that GitHub sent for it cannot be read, so it is unknown which runner it asks for",
                Remedy::ReadLabels
            )
        );
    }
    assert_eq!(told(offer(&unread, named("big").as_ref(), &policy)), "big");
    // What has labels is matched by them.
    assert!(told(offer(&job(&["self-hosted"]), None, &policy)).contains("repo"));
    assert!(has_groups(&RepoSlug::parse("o/r").unwrap(), &policy));
    policy.pools.retain(|pool| pool.name.as_str() == "repo");
    assert!(!has_groups(&RepoSlug::parse("o/r").unwrap(), &policy));
}

#[test]
fn a_job_with_labels_is_for_the_pools_of_its_group_once_that_is_known() {
    let at = |name: &str, group: Option<&str>, scope: &str| PoolPolicy {
        group: group.map(str::to_owned),
        scopes: vec![scope.parse().unwrap()],
        ..pool(name, &["gpu"])
    };
    let mut policy = policy();
    policy.pools = vec![
        at("repo", None, "repo:o/r"),
        at("big", Some("Big"), "org:o"),
        PoolPolicy { enabled: false, ..at("off", Some("sleepy"), "org:o") },
    ];
    let in_group = |name: &str, of| Some(Remedy::LabelsInGroup(name.to_owned(), of));
    let enable = Some(Remedy::Enable(PoolName::parse("off").unwrap()));
    let big = "pool big has its labels, but its runners are in the runner group Big, and it asks for the group other";
    let repo = "pool repo has its labels, but its runners are those of the repository, which are in no runner group, and it asks for the group other";
    let named = |name: &str| Some(Group::named(name));
    let unknown = || Some(Group::Unknown("its workflow names none for it".to_owned()));
    let rows = [
        (&["gpu"][..], None, "repo big", None),
        (&["gpu"], unknown(), "repo big", None),
        (&["gpu"], named("big"), "big", None),
        (&["gpu"], named("sleepy"), "pool off would take it, but is disabled", enable),
        (&["gpu"], named("other"), big, in_group("other", ScopeKind::Org)),
        (&["ubuntu-24.04"], named("other"), "hosted", None),
        (
            &["fpga"],
            named("ent/other"),
            "no pool offers all its labels; the nearest is default, which lacks fpga",
            in_group("other", ScopeKind::Enterprise),
        ),
    ];
    for (labels, group, expected, remedy) in rows {
        let job = job(labels);
        let found = offer(&job, group.as_ref(), &policy);
        let advised = match &found {
            Offer::Unmet(_, remedy) => Some(remedy.clone()),
            _ => None,
        };
        assert_eq!((told(found).as_str(), advised), (expected, remedy), "{labels:?} {group:?}");
    }
    let big = policy.pools.remove(1);
    let Offer::Unmet(why, _) = offer(&job(&["gpu"]), named("other").as_ref(), &policy) else {
        panic!()
    };
    assert_eq!(why, repo);
    // Nobody serves the repository where its group is: its labels are not what is missing.
    policy.pools[0] = PoolPolicy { scopes: vec!["org:p".parse().unwrap()], ..big };
    let Offer::Unmet(why, remedy) = offer(&job(&["gpu"]), named("big").as_ref(), &policy) else {
        panic!()
    };
    assert!(why.starts_with("pool big has its labels, but does not serve o/r"), "{why}");
    assert_eq!(remedy, Remedy::LabelsInGroup("big".to_owned(), ScopeKind::Org));
}
