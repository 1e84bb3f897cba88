//! The containers of a try: how they are made, what they run, and how what they print is read. Pure.
//!
//! The prober says which of its tools it uses, tries all targets at once and prints a line for each that answers in whatever way.
//! It has no clock: who listens decides when silence is silence.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerCreateBody;
use jiff::Timestamp;
use mayfly_backend::bootstrap::Bootstrap;
use mayfly_backend::spec::MachineSpec;
use mayfly_backend_docker::spec::{self, Template};
use mayfly_common::identity::{BackendName, RunnerIdentity};
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::{RepoSlug, Scope};
use mayfly_settings::Config;
use mayfly_settings::pool::Pool;

/// Begins each line that is ours.
const MARK: &str = "mayfly-probe";
/// What the peer does: it is there. Longer than any try, and it ends by itself should nobody remove it.
const PEER: &str = "sleep 60";
/// A tool is one that says "refused" of a port on which nobody listens. `$1` is a tool, `$2` a host, `$3` a port.
const PROBER: &str = r#"
export LC_ALL=C
newline='
'
try() {
    case $1 in
        bash) bash -c 'exec 3<>"/dev/tcp/$1/$2"' probe "$2" "$3" ;;
        nc-v) nc -v -w 10 "$2" "$3" </dev/null ;;
        nc) nc "$2" "$3" </dev/null ;;
    esac
}
tool=none
for candidate in bash nc-v nc; do
    case $(try $candidate 127.0.0.1 1 2>&1) in
        *[Rr]efused*) tool=$candidate; break ;;
    esac
done
echo "mayfly-probe tool $tool"
[ "$tool" = none ] && exit 0
while [ $# -ge 3 ]; do
    (
        said=$(try "$tool" "$2" "$3" 2>&1)
        code=$?
        echo "mayfly-probe answer $1 $code ${said%%"$newline"*}"
    ) &
    shift 3
done
wait
echo "mayfly-probe end"
"#;

/// Something to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// One word.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// What came of trying to reach something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was reached.
    Connected,
    /// Packets get there; nobody listens.
    Refused,
    /// The way is closed, and it is said so.
    Closed,
    /// Something else.
    Unclear(String),
}

/// What the peer runs.
pub(super) fn peer() -> Vec<String> {
    vec![PEER.to_owned()]
}

/// What the prober runs.
pub(super) fn prober(targets: &[Target]) -> Vec<String> {
    let mut words = vec![PROBER.to_owned(), "probe".to_owned()];
    for Target { name, host, port } in targets {
        words.extend([name.clone(), host.clone(), port.to_string()]);
    }
    words
}

/// A container that is confined as a runner is, and runs `script` instead.
///
/// Errors: `name` is no name of a runner.
pub(super) fn body(
    config: &Config,
    image: &str,
    name: &str,
    labels: HashMap<String, String>,
    script: &[String],
) -> Result<ContainerCreateBody, String> {
    let template = Template { network: &config.network, image_id: None };
    let mut profile = Pool::default_pool(config).material.profile;
    // Nothing of the try is for a job's own Docker engine, which changes nothing about the runner's confinement.
    profile.engine = None;
    let identity = RunnerIdentity {
        installation: "probe".to_owned(),
        backend: BackendName::default(),
        pool: PoolName::manual(),
        scope: Scope::Repo(RepoSlug::parse("mayfly/probe").map_err(|error| error.to_string())?),
        name: RunnerName::parse(name).map_err(|error| error.to_string())?,
        labels: LabelSet::default(),
        github_id: None,
        image: image.to_owned(),
        image_id: None,
        fingerprint: None,
        created_at: Timestamp::UNIX_EPOCH,
        deadline: Timestamp::UNIX_EPOCH,
    };
    let (bootstrap, environment) = (Bootstrap::default(), Vec::new());
    let launch = MachineSpec { identity, bootstrap, command: None, profile, environment };
    let shell = ["/bin/sh", "-c"].map(str::to_owned);
    Ok(ContainerCreateBody {
        entrypoint: Some(shell.into_iter().chain(script.iter().cloned()).collect()),
        cmd: Some(Vec::new()),
        // Not a runner's: the orchestrator would adopt it.
        labels: Some(labels),
        ..spec::body(&template, &launch)
    })
}

/// True if the tries are under way.
pub(super) fn began(printed: &str) -> bool {
    said(printed).any(|line| line.starts_with("tool "))
}

/// True if there is nothing more to come.
pub(super) fn ended(printed: &str) -> bool {
    said(printed).any(|line| matches!(line, "end" | "tool none"))
}

/// What answered, by name.
///
/// Errors: why it could not be tried.
pub(super) fn answers(printed: &str) -> Result<BTreeMap<String, Answer>, String> {
    let tool = said(printed).find_map(|line| line.strip_prefix("tool "));
    match tool {
        None => return Err("it printed nothing that could be read".to_owned()),
        Some("none") => return Err("it has neither bash nor nc".to_owned()),
        Some(_) => {}
    }
    let answer = |line: &str| {
        let mut words = line.strip_prefix("answer ")?.splitn(3, ' ');
        let (name, code) = (words.next()?, words.next()?);
        let text = words.next().unwrap_or_default().trim();
        Some((name.to_owned(), meaning(code, text)))
    };
    Ok(said(printed).filter_map(answer).collect())
}

/// Complete lines of ours, without what marks them.
fn said(printed: &str) -> impl Iterator<Item = &str> {
    let complete = printed.rfind('\n').map_or("", |end| &printed[..end]);
    complete.lines().filter_map(|line| line.trim_end().strip_prefix(MARK)?.strip_prefix(' '))
}

fn meaning(code: &str, text: &str) -> Answer {
    let lower = text.to_ascii_lowercase();
    let closed = ["timed out", "no route", "unreachable", "not permitted", "prohibited", "timeout"];
    if code == "0" {
        Answer::Connected
    } else if lower.contains("refused") {
        Answer::Refused
    } else if closed.iter().any(|words| lower.contains(words)) {
        Answer::Closed
    } else {
        Answer::Unclear(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        let fixed = [("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "img")];
        let all = fixed.iter().chain(variables);
        let owned = all.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Config::from_variables(owned.collect()).unwrap()
    }

    #[test]
    fn a_probe_is_confined_as_a_runner_and_is_none() {
        for isolation in ["strict", "compat"] {
            let config = config(&[("RUNNER_ISOLATION", isolation), ("DOCKER_NETWORK", "net")]);
            let labels = HashMap::from([("a".to_owned(), "b".to_owned())]);
            let made = body(&config, "img", "mayfly-probe-1", labels.clone(), &peer()).unwrap();
            let template = Template { network: "net", image_id: None };
            let launch = MachineSpec {
                identity: RunnerIdentity {
                    installation: "i".to_owned(),
                    backend: BackendName::default(),
                    pool: PoolName::default_pool(),
                    scope: "repo:o/r".parse().unwrap(),
                    name: RunnerName::parse("runner").unwrap(),
                    labels: LabelSet::requested(["self-hosted"]),
                    github_id: None,
                    image: "other".to_owned(),
                    image_id: None,
                    fingerprint: None,
                    created_at: Timestamp::UNIX_EPOCH,
                    deadline: Timestamp::MAX,
                },
                bootstrap: Bootstrap::default(),
                command: None,
                profile: Pool::default_pool(&config).material.profile,
                environment: vec![("A".to_owned(), "b".to_owned())],
            };
            let runner = spec::body(&template, &launch);
            assert_eq!(made.host_config, runner.host_config, "{isolation}");
            assert_eq!((made.labels, made.cmd), (Some(labels), Some(vec![])));
            assert_eq!(made.entrypoint.unwrap(), ["/bin/sh", "-c", "sleep 60"]);
            assert_eq!(made.env, Some(vec![]));
        }
    }

    #[test]
    fn a_prober_is_told_its_targets_three_words_each() {
        let target = |name: &str, port| Target {
            name: name.to_owned(),
            host: format!("{name}.example"),
            port,
        };
        let words = prober(&[target("a", 1), target("b", 22)]);
        assert_eq!(words[1..], ["probe", "a", "a.example", "1", "b", "b.example", "22"]);
        assert!(words[0].contains("mayfly-probe answer"), "the script goes first");
    }

    #[test]
    fn what_is_printed_is_read() {
        let printed = "noise\nmayfly-probe tool bash\nmayfly-probe answer a 0 \nmayfly-probe answer b 1 probe: connect: Connection refused\n\
                       mayfly-probe answer c 1 probe: connect: No route to host\r\nmayfly-probe answer d 1 odd\nmayfly-probe answer e 1 cut";
        assert!(began(printed) && !ended(printed));
        let expected = [
            ("a", Answer::Connected),
            ("b", Answer::Refused),
            ("c", Answer::Closed),
            ("d", Answer::Unclear("odd".to_owned())),
        ];
        let expected = expected.map(|(name, answer)| (name.to_owned(), answer));
        assert_eq!(answers(printed).unwrap(), BTreeMap::from(expected));
        assert!(!began("mayfly-probe to"));
        for (printed, why) in [
            ("", "printed nothing"),
            ("sh: not found\n", "printed nothing"),
            ("mayfly-probe tool none\n", "neither bash nor nc"),
        ] {
            assert!(answers(printed).unwrap_err().contains(why), "{printed}");
        }
        assert!(ended("mayfly-probe tool none\n") && ended("mayfly-probe end\n"));
    }

    #[test]
    fn what_tools_say_is_understood() {
        for (code, text, expected) in [
            ("0", "", Answer::Connected),
            ("0", "Connection to 10.0.0.1 80 port [tcp/*] succeeded!", Answer::Connected),
            ("1", "probe: connect: Connection refused", Answer::Refused),
            (
                "1",
                "nc: can't connect to remote host (10.0.0.1): Connection refused",
                Answer::Refused,
            ),
            ("1", "probe: connect: Connection timed out", Answer::Closed),
            ("1", "probe: connect: Network is unreachable", Answer::Closed),
            ("1", "nc: timed out", Answer::Closed),
            ("1", "", Answer::Unclear(String::new())),
            ("1", "probe: connect: No route to host", Answer::Closed),
            ("1", "probe: connect: Operation not permitted", Answer::Closed),
            ("1", "Communication Prohibited", Answer::Closed),
            ("1", "nc: connect timeout", Answer::Closed),
            ("127", "sh: nc: not found", Answer::Unclear("sh: nc: not found".to_owned())),
        ] {
            assert_eq!(meaning(code, text), expected, "{code} {text}");
        }
    }
}
