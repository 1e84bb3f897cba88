//! A simulated GitHub, and the built program beside it: for the tests of the gateway's commands, too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use github_sim::world::model::NewRepo;
use github_sim::{Checked, Sim, SimConfig};
use mayfly_common::scope::RepoSlug;

use crate::in_time::InTime as _;

/// No output may hold this, or a part of it.
pub(crate) const TOKEN: &str = "ghp_topsecret0123456789topsecret0123456789";

/// A GitHub with `octo-admin/app`, which is private, and the organisation `octo-org`, in the enterprise `octo-corp`.
pub(crate) async fn github() -> Checked {
    let sim = Checked::start(SimConfig::default()).await.unwrap();
    sim.with(|world| {
        world.add_user("octo-admin").unwrap();
        world.add_org("octo-org").unwrap();
        world.add_enterprise("octo-corp", &["octo-org"]).unwrap();
        let slug = RepoSlug::parse("octo-admin/app").unwrap();
        world
            .add_repo(NewRepo {
                slug: slug.to_string().parse().unwrap(),
                private: true,
                files: BTreeMap::new(),
            })
            .unwrap();
    });
    sim
}

/// `mayfly doctor github` in an environment of these variables alone.
pub(crate) async fn doctor(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    mayfly(&[&["doctor", "github"], arguments].concat(), variables).await
}

/// `mayfly` in an environment of these variables alone.
pub(crate) async fn mayfly(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    mayfly_in(Path::new("."), arguments, variables).await
}

/// The same in this folder.
pub(crate) async fn mayfly_in(
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    command.env_clear().args(arguments).current_dir(folder);
    command.envs(variables.iter().copied());
    // What it calls must go on meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output_in_time()).await.unwrap();
    assert!(!format!("{output:?}").contains("topsecret"), "{output:?}");
    output
}

pub(crate) async fn with_token(sim: &Sim, arguments: &[&str], more: &[(&str, &str)]) -> Output {
    let url = sim.url();
    let variables = [("GITHUB_API_URL", url.as_str()), ("GITHUB_RUNNER_TOKEN", TOKEN)];
    doctor(arguments, &[&variables, more].concat()).await
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Each line of JSON as topic, level and what was found.
pub(crate) fn lines(output: &Output) -> Vec<(String, String, String)> {
    let read = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        (text("topic"), text("level"), text("what"))
    };
    text(output).lines().map(read).collect()
}

/// How many lines begin with this word.
pub(crate) fn count(output: &Output, level: &str) -> usize {
    text(output).lines().filter(|line| line.starts_with(level)).count()
}
