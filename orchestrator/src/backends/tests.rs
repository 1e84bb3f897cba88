//! What is made of several lists, and of none.

use std::sync::Mutex;

use mayfly_backend::fake::FakeBackend;
use mayfly_common::clock::SystemClock;

use super::*;
use crate::reconcile::testing::{machine, name};

fn backends(others: &[(&str, &Arc<FakeBackend>)], docker: &Arc<FakeBackend>) -> Backends {
    let configured = |fake: &Arc<FakeBackend>| {
        let backend: Arc<dyn Backend> = Arc::<FakeBackend>::clone(fake);
        Configured { backend, caps: None }
    };
    let others =
        others.iter().map(|(name, fake)| (BackendName::parse(name).unwrap(), configured(fake)));
    let (clock, nudge): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(Notify::new()));
    let beside = (&clock, &nudge, &Tasks::default());
    Backends::new(&configured(docker), &others.collect(), beside)
}

fn has(fake: &FakeBackend, runner: &str) {
    fake.state().machines.insert(name(runner), machine(runner));
}

fn words(listed: &Result<Listed, BackendError>) -> Vec<String> {
    match listed {
        Ok(listed) => {
            let machines = listed.machines.iter().map(|one| match &one.phase {
                Phase::Unknown(why) => format!("{}?: {why}", one.name),
                _ => one.name.to_string(),
            });
            machines.collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_has_what_it_had_and_one_alone_ends_the_look() {
    let (docker, far) = (Arc::new(FakeBackend::new()), Arc::new(FakeBackend::new()));
    let (alone, both) = (backends(&[], &docker), backends(&[("far", &far)], &docker));
    has(&docker, "near-1");
    has(&far, "far-1");
    let (mut known, mut of_one) = (BTreeMap::new(), BTreeMap::new());
    assert_eq!(words(&both.list(&mut known).await), ["near-1", "far-1"]);
    assert_eq!(words(&alone.list(&mut of_one).await), ["near-1"]);
    far.state().away = true;
    has(&far, "far-2");
    let away = "The fake cannot be reached: no engine";
    assert_eq!(
        words(&both.list(&mut known).await),
        ["near-1".to_owned(), format!("far-1?: {away}")]
    );
    docker.state().away = true;
    assert_eq!(words(&both.list(&mut known).await), [away]);
    assert_eq!(words(&alone.list(&mut of_one).await), [away]);
    (docker.state().away, far.state().away) = (false, false);
    assert_eq!(words(&both.list(&mut known).await), ["near-1", "far-1", "far-2"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_frozen_is_waited_for_once_and_then_little() {
    let (docker, far) = (Arc::new(FakeBackend::new()), Arc::new(FakeBackend::new()));
    let both = backends(&[("far", &far)], &docker);
    let took = Mutex::new(Vec::new());
    let list = async || {
        let began = tokio::time::Instant::now();
        both.begin_pass();
        let listed = both.list(&mut BTreeMap::new()).await.unwrap();
        took.lock().unwrap().push((began.elapsed().as_secs(), listed.unreachable.len()));
    };
    list().await;
    far.state().frozen = true;
    list().await;
    list().await;
    far.state().frozen = false;
    list().await;
    far.state().frozen = true;
    list().await;
    // A list that comes late is as good as any: from then on it has its time again.
    assert_eq!(*took.lock().unwrap(), [(0, 0), (15, 1), (2, 1), (0, 0), (15, 1)]);
}

#[tokio::test]
async fn an_empty_list_is_believed_once_nothing_of_it_is_found_alone() {
    let docker = Arc::new(FakeBackend::new());
    let alone = backends(&[], &docker);
    let mut known = BTreeMap::new();
    for runner in ["r-1", "r-2"] {
        has(&docker, runner);
    }
    assert_eq!(words(&alone.list(&mut known).await), ["r-1", "r-2"]);
    docker.state().machines.remove(&name("r-1"));
    docker.state().lists_nothing = true;
    let told = "The fake cannot be reached: it lists no machine, and r-2 is there";
    assert_eq!(words(&alone.list(&mut known).await), [told]);
    docker.state().machines.clear();
    assert_eq!(words(&alone.list(&mut known).await), Vec::<String>::new());
}

#[tokio::test]
async fn each_has_the_images_of_its_own_pools() {
    let (docker, far) = (Arc::new(FakeBackend::new()), Arc::new(FakeBackend::new()));
    let both = backends(&[("far", &far)], &docker);
    far.state().image = false;
    let missing = mayfly_common::pool::PullPolicy::Missing;
    let wanted = |images: &[&str]| -> BTreeMap<String, Wanted> {
        let wanted = Wanted { policies: [missing].into(), users: BTreeMap::new() };
        images.iter().map(|image| ((*image).to_owned(), wanted.clone())).collect()
    };
    let all = BTreeMap::from([
        (BackendName::default(), wanted(&["i"])),
        (BackendName::parse("far").unwrap(), wanted(&["i", "j"])),
    ]);
    let look = async || {
        let mut unreachable = BTreeMap::new();
        let seen = both.look_at_images(all.clone(), &mut unreachable, Timestamp::MIN).await;
        let seen = seen.map(|seen| {
            let states = seen.into_iter();
            states
                .map(|((on, image, _), seen)| format!("{on} {image} {:?}", seen.state))
                .collect::<Vec<_>>()
        });
        (seen.map_err(|error| error.to_string()), unreachable.into_keys().collect::<Vec<_>>())
    };
    let here = || vec!["docker i Present".to_owned()];
    let missing = vec!["far i Missing".to_owned(), "far j Missing".to_owned()];
    assert_eq!(look().await, (Ok([here(), missing].concat()), Vec::new()));
    far.state().away = true;
    assert_eq!(look().await, (Ok(here()), vec![BackendName::parse("far").unwrap()]));
    docker.state().away = true;
    let (seen, unreachable) = look().await;
    assert_eq!(
        (seen, unreachable.len()),
        (Err("The fake cannot be reached: no engine".to_owned()), 2)
    );
}
