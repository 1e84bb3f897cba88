//! The App as one thing: what it runs ends with it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use github_sim::world::model::{JobSpec, NewRepo};
use github_sim::{Checked, SimConfig};
use mayfly_backend::fake::FakeBackend;
use orchestrator::{Adapters, App};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::support::{SELF_HOSTED, config};

/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many tasks there are on this test's runtime.
fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn until(what: &str, wanted: impl Fn() -> bool) {
    let reached = async {
        while !wanted() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {what} ({})", alive()));
}

#[tokio::test]
async fn no_task_of_an_app_goes_on_once_it_is_dropped() {
    let sim = Checked::start(SimConfig::default()).await.unwrap();
    sim.with(|world| {
        world.add_user("octo-admin").unwrap();
        let files = [(".github/workflows/ci.yml".to_owned(), SELF_HOSTED.to_owned())].into();
        let slug = "octo-admin/app".parse().unwrap();
        let repo = NewRepo { slug, private: true, files };
        world.add_repo(repo).unwrap();
        let labels = vec!["self-hosted".to_owned()];
        let job = JobSpec { name: "build".to_owned(), labels, ..JobSpec::default() };
        world.queue_job("octo-admin/app", job).unwrap();
    });
    // The simulator's tasks start further ones when their turn comes.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let before = alive();

    let folder = std::env::temp_dir().join(format!("mayfly-wiring-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("mayfly.db");
    let variables =
        [("DATABASE_PATH", path.to_str().unwrap()), ("DOCKER_HOST", "tcp://127.0.0.1:9")];
    let config = config(&sim.url(), &variables);
    let backend = Arc::new(FakeBackend::new());
    // The job's pull does not end by itself.
    (backend.state().image, backend.state().endless_pulls) = (false, true);
    let mut adapters = Adapters::open(&config).unwrap();
    adapters.docker.backend = Arc::<FakeBackend>::clone(&backend);
    let app = App::build(config.clone(), adapters);
    let handle = app.handle().clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let running = tokio::spawn(app.run(listener, pending()));
    let pool = mayfly_settings::pool::Pool::default_pool(&config);
    let pulling = || handle.image_pull(&pool).is_some();
    until("the image is being pulled", pulling).await;
    drop(handle);
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: orchestrator\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    assert!(Adapters::open(&config).is_err(), "the database is locked");
    assert!(alive() > before);

    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    until("all tasks have ended", || alive() <= before).await;
    assert_eq!(Arc::strong_count(&backend), 1, "nobody can reach the machines any more");
    Adapters::open(&config).expect("the database is not locked any more");
    drop(sim);
    std::fs::remove_dir_all(&folder).unwrap();
}
