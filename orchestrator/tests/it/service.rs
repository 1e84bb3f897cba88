//! The service as a whole, in this process: what it logs from its start to its end, and what it leaves behind.

use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use github_sim::world::access::Grant;
use github_sim::world::tokens::UserToken;
use github_sim::{Checked, SimConfig};
use mayfly_service::telemetry::{Logging, dispatch};
use mayfly_store::{PoolRow, Store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tracing::Dispatch;

use crate::stub_engine::StubEngine;
use crate::support::{TOKEN, config};

/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was logged on this test's thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        // Where there is one alone, a test without any that comes first to a place in the code switches it off for all.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| dispatch(Logging::default(), std::io::sink));
        let log = Self::default();
        let writer = log.clone();
        let ours = dispatch(Logging::default(), move || writer.clone());
        (log, tracing::dispatcher::set_default(&ours))
    }

    /// The lines that hold these words, without their times.
    fn lines(&self, words: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().filter(|line| line.contains(words));
        lines.map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    /// The first line that holds these words, as soon as there is one.
    async fn line(&self, words: &str) -> String {
        let found = async {
            loop {
                if let Some(line) = self.lines(words).pop() {
                    break line;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("nobody says {words}: {:#?}", self.lines("")))
    }
}

async fn github() -> Checked {
    let sim = Checked::start(SimConfig::default()).await.unwrap();
    let grant = Grant::Classic(["repo".to_owned()].into());
    sim.with(|world| {
        world.add_user("octo-admin").unwrap();
        world.tokens.add_as(TOKEN, UserToken { grant, ..UserToken::default() });
    });
    sim
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn it_says_what_it_will_do_what_does_not_fit_and_that_it_ends() {
    let (log, _guard) = Log::begin();
    let (engine, sim) = (StubEngine::start().await, github().await);
    let folder = std::env::temp_dir().join(format!("mayfly-service-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("mayfly.db");
    let at = jiff::Timestamp::UNIX_EPOCH;
    let pool = PoolRow {
        name: "ci".to_owned(),
        spec: r#"{"name": "ci", "resources": {"cpus": "5"}}"#.to_owned(),
        revision: 1,
        created_at: at,
        updated_at: at,
        rotate_before: None,
    };
    Store::open(&path).unwrap().save_pool(pool).await.unwrap();
    let host = engine.host();
    let config = config(
        &sim.url(),
        &[
            ("DOCKER_HOST", &host),
            ("ORCHESTRATOR_ID", "i"),
            ("AUTO_CREATE_RUNNERS", "false"),
            ("RUNNER_CHECK_INTERVAL", "31"),
            ("MAX_RUNNERS", "7"),
            ("RUNNER_MEMORY", "6m"),
            ("RUNNER_CPUS", "3"),
            ("DOCKER_NETWORK", "own"),
            ("runnerenv_A", "1"),
            ("runnerenv_B", "2"),
            ("DATABASE_PATH", path.to_str().unwrap()),
        ],
    );
    let (listener, address) = listener().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let service = orchestrator::run(config.clone(), listener, async {
        // Whoever stops it may be gone.
        drop(stopped.await);
    });
    let service = tokio::spawn(service);

    assert_eq!(
        log.line(" configuration ").await,
        format!(
            "⚙️ CONFIG configuration github={}/ image=runner:test labels=linux,self-hosted,x64 max_runners=7 auto_create=false check_interval_seconds=31 registration=Jit variables=2 network=own",
            sim.url().trim_end_matches('/')
        )
    );
    assert_eq!(
        log.line("orchestrator is listening").await,
        format!(
            "🚀 START orchestrator is listening address={address} version={}",
            mayfly_common::VERSION
        )
    );
    // The stub has two processors, and 4096 bytes.
    let pool = "pool ci: cpus 5 is more than the machine's 2 processors → set it to 2 or less";
    assert_eq!(log.line(pool).await.matches("pool").count(), 1);
    assert_eq!(log.lines("pool default"), [""; 0], "it is the environment's");
    log.line("RUNNER_MEMORY=6m is more than the machine's 0.0 GiB of memory → set it to less")
        .await;
    assert_eq!(
        log.lines("RUNNER_CPUS"),
        [
            "⚠️ WARNING RUNNER_CPUS=3 is more than the machine's 2 processors → set it to 2 or less: Docker refuses to make such a runner"
        ]
    );
    log.line("credential check: this machine's clock agrees with GitHub's").await;
    assert_eq!(
        log.lines("it is octo-admin's"),
        ["🚀 START credential check: GitHub knows the token: it is octo-admin's"]
    );
    // The stub knows no `system/df`.
    log.line("how much Docker stores cannot be shown: ").await;
    // A second one on the same file does not start.
    let (second, _) = self::listener().await;
    let refused = orchestrator::run(config, second, pending()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "DATABASE_PATH: another orchestrator uses {}: stop it, or give each a database and an ORCHESTRATOR_ID of its own",
            path.display()
        )
    );

    stop.send(()).unwrap();
    timeout(PATIENCE, service).await.unwrap().unwrap().unwrap();
    assert_eq!(log.lines("the last pass is done").len(), 1);
    TcpListener::bind(address).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// An engine whose list of containers waits for `release`, and tells `asked` that it was asked for.
async fn engine_that_waits(asked: &Arc<Notify>, release: &Arc<Notify>) -> SocketAddr {
    let (asked, release) = (Arc::clone(asked), Arc::clone(release));
    let containers = async move || {
        asked.notify_one();
        release.notified().await;
        Json(json!([]))
    };
    let router = Router::new()
        .route("/version", get(async || Json(json!({"ApiVersion": "1.41"}))))
        .route("/{version}/containers/json", get(containers.clone()))
        .route("/containers/json", get(containers));
    let (listener, address) = listener().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn it_answers_that_it_shuts_down_until_the_last_pass_is_done() {
    let (asked, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (engine, sim) = (engine_that_waits(&asked, &release).await, github().await);
    let host = format!("tcp://{engine}");
    let config = config(&sim.url(), &[("DOCKER_HOST", &host), ("ORCHESTRATOR_ID", "i")]);
    let (listener, address) = listener().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tokio::spawn(orchestrator::run(config, listener, async {
        drop(stopped.await);
    }));
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        let retry = answer.headers().contains_key("retry-after");
        (answer.status().as_u16(), retry, answer.json::<Value>().await.unwrap())
    };
    timeout(PATIENCE, asked.notified()).await.unwrap();
    assert_eq!(ask("/health").await.0, 200);
    stop.send(()).unwrap();
    let health = timeout(PATIENCE, async {
        loop {
            let health = ask("/health").await;
            if health.0 != 200 {
                break health;
            }
        }
    });
    let body = json!({
        "status": "shutting_down", "service": "orchestrator", "version": mayfly_common::VERSION,
        "dependencies": {},
    });
    assert_eq!(health.await.unwrap(), (503, true, body));
    let (status, retry, problem) = ask("/api/v1/runners").await;
    assert_eq!((status, retry), (503, true));
    assert_eq!(problem["type"], "urn:mayfly:problem:shutting-down");
    assert_eq!(ask("/readyz").await.0, 503);
    assert_eq!(ask("/livez").await.0, 200, "a process that stops in good order is not killed");
    release.notify_one();
    timeout(PATIENCE, service).await.unwrap().unwrap().unwrap();
    TcpListener::bind(address).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_left_and_done_without() {
    let (log, _guard) = Log::begin();
    let sim = github().await;
    let folder = std::env::temp_dir().join(format!("mayfly-service-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("mayfly.db");
    std::fs::write(&path, "no database, but a text that is long enough to be taken for one")
        .unwrap();
    let run = async |path: Option<&str>| {
        let path = path.map(|path| ("DATABASE_PATH", path));
        let fixed = [("DOCKER_HOST", "tcp://127.0.0.1:1")];
        let config = config(&sim.url(), &[&fixed[..], path.as_slice()].concat());
        let (listener, _) = listener().await;
        orchestrator::run(config, listener, std::future::ready(())).await.unwrap();
    };
    run(path.to_str()).await;
    assert_eq!(
        log.lines("job ledger is kept in memory"),
        [format!(
            "⚠️ WARNING DATABASE_PATH: {}: it is damaged, or not a database; move it away to begin a new one; the job ledger is kept in memory, the pools in the file are not served, and pools cannot be changed",
            path.display()
        )]
    );
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("no database"));
    run(None).await;
    assert_eq!(
        log.lines("job ledger is kept in memory")[1..],
        ["⚙️ CONFIG DATABASE_PATH is not set: the job ledger is kept in memory"]
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_check_of_the_credential_that_hangs_ends_with_the_service() {
    use tokio::io::AsyncReadExt as _;
    let (github, address) = listener().await;
    let url = format!("http://{address}");
    let fixed = [("DOCKER_HOST", "tcp://127.0.0.1:1"), ("AUTO_CREATE_RUNNERS", "false")];
    let config = config(&url, &fixed);
    let (listener, _) = listener().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tokio::spawn(orchestrator::run(config, listener, async {
        drop(stopped.await);
    }));
    let (mut asked, _) = timeout(PATIENCE, github.accept()).await.unwrap().unwrap();
    stop.send(()).unwrap();
    timeout(PATIENCE, service).await.unwrap().unwrap().unwrap();
    // The connection ends now, and not when the client has waited long enough for an answer, which is half a minute.
    let mut request = Vec::new();
    let ended = timeout(Duration::from_secs(15), asked.read_to_end(&mut request)).await;
    assert!(ended.is_ok(), "{}", String::from_utf8_lossy(&request));
}
