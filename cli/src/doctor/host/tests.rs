//! Tables of what there is and what is said about it.

use mayfly_github::checkup::Level;

use super::super::finding::told;
use super::*;

const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
    wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
    eth0\t00000000\t010011AC\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
    docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

#[test]
fn the_way_out_is_the_default_route_of_the_lowest_metric() {
    assert_eq!(way_out(ROUTES), Some("eth0"));
    assert_eq!(way_out(ROUTES.lines().next().unwrap()), None);
    assert_eq!(way_out(""), None);
}

#[test]
fn packets_larger_than_the_uplink_carries_are_warned_of() {
    let rows = [
        (1500, Some(1500), 1500, Level::Ok, "fits"),
        (1500, Some(1400), 1500, Level::Ok, "fits"),
        (1450, Some(1500), 1500, Level::Warning, "DOCKER_NETWORK_MTU=1450"),
        (1450, None, 1500, Level::Warning, "DOCKER_NETWORK_MTU=1450"),
        (1450, Some(1500), 1450, Level::Warning, "docker network rm net"),
        (1450, None, 1450, Level::Ok, "fits"),
    ];
    for (carries, network, wanted, level, words) in rows {
        let found = mtu(Some(&("eth0".to_owned(), carries)), "net", network, wanted);
        assert_eq!(found.level, level, "{found:?}");
        let said = format!("{} {}", found.what, found.hint.unwrap_or_default());
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(mtu(None, "net", Some(1500), 1500).level, Level::Ok);
}

#[test]
fn few_inotify_instances_for_many_runners_are_warned_of() {
    let rows = [
        (Some(128), 1, Level::Ok),
        (Some(128), 2, Level::Warning),
        (Some(1279), 10, Level::Warning),
        (Some(1280), 10, Level::Ok),
        (Some(8192), 10_000, Level::Ok),
        (None, 10, Level::Ok),
    ];
    for (instances, runners, level) in rows {
        let found = inotify(instances, runners);
        assert_eq!(found.level, level, "{instances:?} {runners}");
        assert_eq!(found.hint.is_some(), level == Level::Warning);
    }
}

fn config(variables: &[(&str, &str)]) -> Config {
    let fixed = [("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "img")];
    let all = fixed.iter().chain(variables);
    Config::from_variables(all.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
        .unwrap()
}

#[test]
fn what_is_said_of_a_machine_is_said_in_full() {
    let hung = "Warning: the network net lets packets of 1500 bytes out, and the uplink eth0 carries 1450: downloads in jobs can hang";
    let uplink = Some(("eth0".to_owned(), 1450));
    let watching = "fs.inotify.max_user_instances is 128, for all runners together";
    let found = [
        mtu(uplink.as_ref(), "net", Some(1500), 1500),
        mtu(uplink.as_ref(), "net", Some(1500), 1450),
        mtu(uplink.as_ref(), "net", Some(1449), 1450),
        mtu(uplink.as_ref(), "net", None, 1450),
        mtu(None, "net", Some(1500), 1500),
        inotify(Some(128), 1),
        inotify(Some(128), 2),
        inotify(Some(8191), 64),
        inotify(Some(8192), 65),
        inotify(None, 1),
    ];
    let expected = [
        format!("{hung} → set DOCKER_NETWORK_MTU=1450, or \"mtu\": 1450 in /etc/docker/daemon.json"),
        format!("{hung} → the orchestrator makes it again with 1450 when no runner is in it (`mayfly drain --wait`, then `mayfly resume`); if somebody else made it, remove it: docker network rm net"),
        "Ok: the MTU of runners (1449) fits the uplink eth0 (1450)".to_owned(),
        "Ok: the MTU of runners (1450) fits the uplink eth0 (1450)".to_owned(),
        "Ok: note: no default route is seen: the networks' MTU was not compared with the uplink's".to_owned(),
        format!("Ok: {watching}"),
        format!("Warning: {watching} → one job that watches many files leaves none to the others: sysctl -w fs.inotify.max_user_instances=8192, and the same in /etc/sysctl.d"),
        "Warning: fs.inotify.max_user_instances is 8191, for all runners together → one job that watches many files leaves none to the others: sysctl -w fs.inotify.max_user_instances=8192, and the same in /etc/sysctl.d".to_owned(),
        "Ok: fs.inotify.max_user_instances is 8192, for all runners together".to_owned(),
        "Ok: note: the kernel does not tell fs.inotify.max_user_instances".to_owned(),
    ];
    assert_eq!(told(&found), expected);
}

#[test]
fn runners_that_do_not_fit_are_told_of_by_how_bad_that_is() {
    let machine = |memory, nano_cpus| HostResources { memory, nano_cpus };
    let (four, two) = (Some(4 << 30), Some(2_000_000_000));
    let small = config(&[("RUNNER_MEMORY", "1g"), ("RUNNER_CPUS", "0.5"), ("MAX_RUNNERS", "4")]);
    let many = config(&[("RUNNER_MEMORY", "1g"), ("RUNNER_CPUS", "1"), ("MAX_RUNNERS", "5")]);
    let wide = config(&[("RUNNER_MEMORY", "1g"), ("RUNNER_CPUS", "3"), ("MAX_RUNNERS", "1")]);
    let large = config(&[("RUNNER_MEMORY", "8g"), ("RUNNER_CPUS", "1"), ("MAX_RUNNERS", "1")]);
    let fits = "Ok: a runner's memory and processors fit the machine (4.0 GiB of memory)";
    let silent = "Ok: note: the engine does not tell its machine's memory and processors";
    assert_eq!(told(&limits(&machine(four, two), &small)), [fits]);
    assert_eq!(told(&limits(&machine(four, None), &small)), [silent]);
    assert_eq!(told(&limits(&machine(None, two), &small)), [silent]);
    let more = "Ok: note: MAX_RUNNERS=5 runners may use 5.0 GiB of memory together, which is more than the machine has; MAX_RUNNERS_MEMORY bounds it";
    let cpus = "Ok: note: MAX_RUNNERS=5 runners may use 5 processors together, which is more than the machine has: jobs slow each other down then; MAX_RUNNERS_CPUS bounds it";
    assert_eq!(told(&limits(&machine(four, two), &many)), [fits, more, cpus]);
    let levels = |config| {
        limits(&machine(four, two), config).iter().map(|one| one.level).collect::<Vec<_>>()
    };
    assert_eq!((levels(&wide)[0], levels(&large)[0]), (Level::Failure, Level::Warning));
}

#[test]
fn networks_tell_their_mtu_and_their_bridge() {
    let of = |options: &[(&str, &str)]| NetworkInspect {
        options: Some(
            options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ),
        ..NetworkInspect::default()
    };
    let both =
        of(&[("com.docker.network.driver.mtu", "1400"), ("com.docker.network.bridge.name", "br0")]);
    assert_eq!((mtu_of(&both), interface(&both)), (1400, Some("br0")));
    for other in [of(&[]), of(&[("com.docker.network.driver.mtu", "x")]), NetworkInspect::default()]
    {
        assert_eq!((mtu_of(&other), interface(&other)), (1500, None));
    }
}

#[test]
fn a_way_to_a_network_is_not_the_way_out() {
    let line = |interface, destination, metric, mask| {
        format!("{interface}\t{destination}\t0100A8C0\t0003\t0\t0\t{metric}\t{mask}\t0\t0\t0\n")
    };
    let host = line("a", "00000000", "5", "000000FF") + &line("b", "0000000A", "6", "00000000");
    assert_eq!(way_out(&host), None);
    assert_eq!(way_out(&(host + &line("c", "00000000", "7", "00000000"))), Some("c"));
}
