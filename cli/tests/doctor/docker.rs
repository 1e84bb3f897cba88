//! On the real engine. Each test has its own images and network, and removes exactly those, even when it fails.
//!
//! `MAYFLY_TEST_DOCKER=0` leaves these tests out: they show as ignored (build.rs).

use std::collections::{BTreeSet, HashMap};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bollard::Docker;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use futures::TryStreamExt as _;

use crate::in_time::InTime as _;
use crate::limit::Limit;
use crate::support::{lines, mayfly, text};

/// The longest a test waits for the engine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The engine with what one test makes on it.
struct Engine {
    docker: Docker,
    id: String,
}

/// The engine; the test fails where there is none.
async fn engine() -> Engine {
    let unreachable = "these tests need a Docker Engine (MAYFLY_TEST_DOCKER=0 leaves them out)";
    let docker = Docker::connect_with_socket_defaults()
        .unwrap_or_else(|error| panic!("{unreachable}: {error}"));
    docker.ping().await.unwrap_or_else(|error| panic!("{unreachable}: {error}"));
    let random = uuid::Uuid::new_v4().simple().to_string();
    Engine { docker, id: random[..8].to_owned() }
}

impl Engine {
    fn network(&self) -> String {
        format!("mayfly-doctor-{}", self.id)
    }

    fn image(&self, kind: &str) -> String {
        format!("mayfly-test-doctor:{kind}-{}", self.id)
    }

    /// An image with these of this machine's programs, and the libraries they need. Nothing is downloaded.
    async fn import(&self, kind: &str, programs: &[&str]) -> String {
        // What is no program stands for an image without any.
        let mut files: BTreeSet<String> = BTreeSet::from(["etc/passwd".to_owned()]);
        for program in programs {
            files.insert(program.trim_start_matches('/').to_owned());
            let output = Command::new("ldd").arg(program).output_in_time();
            let told = String::from_utf8(output.stdout).unwrap();
            let words = told.split_whitespace().filter(|word| word.starts_with('/'));
            files.extend(words.map(|word| word.trim_start_matches('/').to_owned()));
        }
        let mut tar = Command::new("tar");
        let tar = tar.args(["-chf", "-", "-C", "/"]).args(files).output_in_time();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let image = self.image(kind);
        let (repo, tag) = image.split_once(':').unwrap();
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(repo)
            .tag(tag)
            .changes(vec!["ENV PATH=/bin".to_owned(), "CMD [\"/bin/sh\"]".to_owned()])
            .build();
        let body = bollard::body_full(tar.stdout.into());
        let imported = self.docker.create_image(Some(options), Some(body), None);
        // How the stream ends is not always well-formed; the image is looked for below.
        let _ = imported.try_collect::<Vec<_>>().await;
        self.docker.inspect_image(&image).await.unwrap();
        image
    }

    async fn with_bash(&self) -> String {
        self.import("bash", &["/bin/sh", "/bin/bash", "/bin/sleep"]).await
    }

    /// `mayfly doctor isolation` on this test's network.
    async fn isolation(&self, image: &str, variables: &[(&str, &str)]) -> Output {
        let network = self.network();
        let fixed = [("DOCKER_NETWORK", network.as_str()), ("RUNNER_MEMORY", "64m")];
        let arguments = ["doctor", "isolation", "--json", "--probe-image", image];
        mayfly(&arguments, &[&fixed, variables].concat()).await
    }

    /// The containers on this test's network, those that ended included.
    async fn containers(docker: &Docker, network: &str) -> Vec<String> {
        let filters = HashMap::from([("network".to_owned(), vec![network.to_owned()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = docker.list_containers(Some(options)).await.unwrap_or_default();
        found.into_iter().filter_map(|one| one.id).collect()
    }

    async fn leaves_nothing(&self) {
        assert!(Self::containers(&self.docker, &self.network()).await.is_empty());
        self.docker.inspect_network(&self.network(), None).await.unwrap_err();
    }

    async fn clean(docker: Docker, network: String, images: Vec<String>) {
        for id in Self::containers(&docker, &network).await {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let _ = docker.remove_container(&id, Some(options)).await;
        }
        // Absent where the test did not get so far.
        let _ = docker.remove_network(&network).await;
        for image in images {
            let options = RemoveImageOptionsBuilder::default().force(true).build();
            let _ = docker.remove_image(&image, Some(options), None).await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let images = ["bash", "sh", "bare"].map(|kind| self.image(kind)).to_vec();
        let cleaning = Self::clean(self.docker.clone(), self.network(), images);
        let clean = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(cleaning)
        };
        // A runtime of its own: the test's is being dropped.
        std::thread::scope(|scope| drop(scope.spawn(clean).join()));
    }
}

/// The findings of isolation with this in them, by level.
fn levels(output: &Output, words: &str) -> Vec<String> {
    let found = lines(output);
    let some = found.into_iter().filter(|(_, _, what)| what.contains(words));
    some.map(|(_, level, _)| level).collect()
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn the_engine_its_disk_and_its_clock_are_told_of() {
    let _engine = engine().await;
    let output = mayfly(&["doctor", "docker"], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output);
    for words in
        ["/var/run/docker.sock (DOCKER_HOST is not set)", "its version is ", "storage driver"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
    let host = [("DOCKER_HOST", "unix:///var/run/docker.sock")];
    let said = text(&mayfly(&["doctor", "docker"], &host).await);
    assert!(said.contains("/var/run/docker.sock (from DOCKER_HOST)"), "{said}");

    let output = mayfly(&["doctor", "disk"], &[]).await;
    let said = text(&output);
    assert!(said.contains(" free at ") || said.contains("images take "), "{said}");
    // Without `df` in the path there is no seeing.
    let said = text(&mayfly(&["doctor", "disk"], &[("PATH", "/nowhere")]).await);
    assert!(said.contains("cannot be seen") && said.contains("images take "), "{said}");

    let output = mayfly(&["doctor", "clock"], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output).contains("clock agrees with the Docker Engine's"), "{output:?}");
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn the_image_is_told_of() {
    let engine = engine().await;
    let image = engine.with_bash().await;
    let output = mayfly(&["doctor", "image"], &[("RUNNER_IMAGE", &image)]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output);
    for words in ["is on the engine", "less than a day ago", "as the engine is"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    let absent = engine.image("absent");
    for (policy, code) in [("missing", 0), ("always", 0), ("never", 1)] {
        let variables = [("RUNNER_IMAGE", &*absent), ("RUNNER_PULL_POLICY", policy)];
        let output = mayfly(&["doctor", "image"], &variables).await;
        assert_eq!(output.status.code(), Some(code), "{policy}: {output:?}");
        assert!(text(&output).contains("is not on the engine"), "{policy}: {output:?}");
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_runner_on_the_platform_s_network_is_alone() {
    let engine = engine().await;
    let image = engine.with_bash().await;
    // Nobody listens on a port that was just given back.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let output = engine.isolation(&image, &[("ORCHESTRATOR_PORT", &free)]).await;
    assert_eq!(levels(&output, "was made for this try"), ["ok"], "{output:?}");
    assert_eq!(levels(&output, "runners do not reach each other"), ["ok"], "{output:?}");
    let port = format!("does not reach port {free}");
    assert_eq!(levels(&output, &port), ["ok"], "{output:?}");
    // What is beyond this machine is not the test's to know; that it was tried is.
    assert_eq!(levels(&output, "169.254.169.254").len(), 1, "{output:?}");
    engine.leaves_nothing().await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn what_a_runner_reaches_is_a_failure() {
    let engine = engine().await;
    let image = engine.with_bash().await;
    // A network that somebody made without separating its containers.
    let request =
        NetworkCreateRequest { name: engine.network(), ..NetworkCreateRequest::default() };
    engine.docker.create_network(request).await.unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = engine.isolation(&image, &[("ORCHESTRATOR_PORT", &port)]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(levels(&output, "runners reach each other"), ["failure"], "{output:?}");
    let reached = format!("a runner reaches port {port}");
    assert_eq!(levels(&output, &reached), ["failure"], "{output:?}");
    assert!(Engine::containers(&engine.docker, &engine.network()).await.is_empty());
    engine.docker.inspect_network(&engine.network(), None).await.expect("it was there before");
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn an_image_that_lacks_what_it_takes_is_told() {
    let engine = engine().await;
    let only_sh = engine.import("sh", &["/bin/sh", "/bin/sleep"]).await;
    let bare = engine.import("bare", &[]).await;
    let absent = engine.image("absent");
    for (image, words) in [
        (&only_sh, "it has neither bash nor nc"),
        (&bare, "cannot be tried with this image"),
        (&absent, "is not on the engine"),
    ] {
        let output = engine.isolation(image, &[]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(levels(&output, words), ["warning"], "{output:?}");
        engine.leaves_nothing().await;
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn what_would_stop_a_runner_stops_the_try_and_is_a_failure() {
    let engine = engine().await;
    let image = engine.with_bash().await;
    let output = engine.isolation(&image, &[("RUNNER_CPUS", "1024")]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(levels(&output, "a container like a runner's cannot be made"), ["failure"]);
    engine.leaves_nothing().await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_try_that_is_broken_off_leaves_nothing() {
    let engine = engine().await;
    let image = engine.with_bash().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_mayfly"))
        .env_clear()
        .env("DOCKER_NETWORK", engine.network())
        .args(["doctor", "isolation", "--probe-image", &image])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let limit = Limit::of(child.id());
    let begun = async {
        while Engine::containers(&engine.docker, &engine.network()).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let begun = tokio::time::timeout(PATIENCE, begun).await;
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let code = tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap();
    drop(limit);
    begun.expect("its containers are seen");
    assert!(sent.unwrap().success());
    assert_eq!(code, Some(130));
    engine.leaves_nothing().await;
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn limits_that_the_machine_does_not_have_are_told_of() {
    let _engine = engine().await;
    let output = mayfly(&["doctor", "docker", "--json"], &[("RUNNER_CPUS", "1024")]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(levels(&output, "RUNNER_CPUS=1024 is more than the machine's"), ["failure"]);
    let output = mayfly(&["doctor", "docker", "--json"], &[("DOCKER_NETWORK_MTU", "65535")]).await;
    // Where the engine's bridge is on this machine.
    let compared = levels(&output, "lets packets of 65535 bytes out");
    let unseen = levels(&output, "the MTU of the uplink were not looked at");
    assert_eq!(compared.len() + unseen.len(), 1, "{output:?}");
    assert!(compared.iter().all(|level| level == "warning"), "{output:?}");
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_network_that_is_called_by_its_id_is_told_of() {
    let engine = engine().await;
    let request =
        NetworkCreateRequest { name: engine.network(), ..NetworkCreateRequest::default() };
    let id = engine.docker.create_network(request).await.unwrap().id;
    let advice = format!("name it, as in DOCKER_NETWORK={}", engine.network());
    let rows: [(&str, &[&str]); 2] = [(&id[..12], &["failure"]), (&engine.network(), &[])];
    for (network, expected) in rows {
        let variables = [("DOCKER_NETWORK", network)];
        let output = mayfly(&["doctor", "docker", "--json"], &variables).await;
        assert_eq!(levels(&output, &advice), expected, "{output:?}");
    }
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn a_network_on_which_runners_meet_is_a_failure() {
    let engine = engine().await;
    let network = engine.network();
    for (icc, expected) in
        [(None, &["failure"][..]), (Some("true"), &["failure"]), (Some("false"), &[])]
    {
        let options = icc.map(|icc| {
            HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), icc.to_owned())])
        });
        let request = NetworkCreateRequest {
            name: network.clone(),
            options,
            ..NetworkCreateRequest::default()
        };
        engine.docker.create_network(request).await.unwrap();
        let output = mayfly(&["doctor", "docker", "--json"], &[("DOCKER_NETWORK", &network)]).await;
        let said = format!("runners reach each other on the network {network}");
        assert_eq!(levels(&output, &said), expected, "{icc:?}: {output:?}");
        engine.docker.remove_network(&network).await.unwrap();
    }
}
