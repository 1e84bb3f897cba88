//! What the store of an older release holds, what is not allowed here, and what cannot be stored.

use serde_json::{Value, json};

use super::*;

fn config(extra: &[(&str, &str)]) -> Config {
    let mut all = vec![("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "registry:5000/runner:1")];
    all.extend(extra);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Config::from_variables(all.into_iter().map(owned).collect()).unwrap()
}

/// A book over a store that holds these pools, as some release wrote them.
async fn book(extra: &[(&str, &str)], stored: &[Value]) -> Book {
    let store = Store::in_memory().unwrap();
    for spec in stored {
        let row = PoolRow {
            name: spec["name"].as_str().unwrap().to_owned(),
            spec: spec.to_string(),
            revision: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            rotate_before: None,
        };
        store.save_pool(row).await.unwrap();
    }
    let book = Book::new(&config(extra), store);
    book.load().await.unwrap();
    book
}

fn names(book: &Book) -> Vec<String> {
    book.all().into_iter().map(|entry| entry.pool.spec.name.to_string()).collect()
}

#[tokio::test]
async fn a_stored_pool_with_an_image_that_is_not_allowed_is_not_served_and_says_why() {
    let stored = [
        json!({"name": "good", "image": "ghcr.io/acme/x:1"}),
        json!({"name": "loopback", "image": "127.0.0.1:28998/x/y:z"}),
        json!({"name": "odd", "image": "../../x"}),
        json!({"name": "own", "image": "registry:5000/runner:1"}),
    ];
    let loaded = book(&[], &stored).await;
    assert_eq!(names(&loaded), ["default", "good", "own"]);
    let unread = loaded.unread();
    assert_eq!(unread.len(), 2, "{unread:?}");
    assert!(
        unread[0].starts_with("pool loopback is not served: /image is not allowed")
            && unread[0].contains("ALLOWED_IMAGES")
            && unread[1].starts_with("pool odd is not served: /image must be an image name"),
        "{unread:?}"
    );
    let loaded = book(&[("ALLOWED_IMAGES", "127.0.0.1:28998/**")], &stored).await;
    assert_eq!(names(&loaded), ["default", "loopback", "own"]);
}

#[tokio::test]
async fn two_pools_cannot_number_their_runners_from_one_prefix() {
    let stored = [json!({"name": "a", "naming": "stable", "max": 2, "name_prefix": "build"})];
    let book = book(&[], &stored).await;
    let spec = |value: Value| PoolSpec::from_json(&value, "").unwrap();
    for prefix in ["build", "Build"] {
        let same = spec(json!({"name": "b", "naming": "stable", "max": 2, "name_prefix": prefix}));
        let refused = book.create(same, Timestamp::UNIX_EPOCH).await.unwrap_err();
        let BookError::Invalid(errors) = refused else { panic!("{refused}") };
        assert_eq!(errors[0].pointer, "/name_prefix");
        assert!(errors[0].detail.contains("pool a"), "{errors:?}");
    }
    assert_eq!(names(&book), ["a", "default"]);
    for other in [
        json!({"name": "b", "naming": "stable", "name_prefix": "build-2", "max": 2}),
        json!({"name": "c", "naming": "stable", "max": 2}),
        json!({"name": "d"}),
    ] {
        book.create(spec(other), Timestamp::UNIX_EPOCH).await.unwrap();
    }
    // The pool itself may change.
    let own = spec(json!({"name": "a", "naming": "stable", "name_prefix": "BUILD", "max": 3}));
    book.replace(own, None, Timestamp::UNIX_EPOCH).await.unwrap();
}

#[tokio::test]
async fn a_pool_cannot_be_given_an_image_that_is_not_allowed() {
    let book = book(&[], &[]).await;
    let spec =
        |image: &str| PoolSpec::from_json(&json!({"name": "ci", "image": image}), "").unwrap();
    let refused = |outcome: Result<Entry, BookError>| match outcome {
        Err(BookError::Invalid(errors)) => {
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].pointer, "/image");
        }
        other => panic!("{other:?}"),
    };
    let at = Timestamp::UNIX_EPOCH;
    refused(book.create(spec("localhost:5000/x"), at).await);
    assert_eq!(names(&book), ["default"]);
    book.create(spec("alpine"), at).await.unwrap();
    refused(book.replace(spec("169.254.169.254/x"), None, at).await);
    let image = book.get(&PoolName::parse("ci").unwrap()).unwrap().pool.material.image.clone();
    assert_eq!(image, "alpine");
}

fn spec(max: u32) -> PoolSpec {
    PoolSpec::from_json(&json!({"name": "ci", "max": max}), "").unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn specs(book: &Book) -> Vec<PoolSpec> {
    book.all().into_iter().map(|entry| entry.pool.spec.clone()).collect()
}

#[tokio::test]
async fn no_change_counts_before_it_is_stored() {
    let store = Store::in_memory().unwrap();
    let (book, name) = (Book::new(&config(&[]), store.clone()), PoolName::parse("ci").unwrap());
    let before = specs(&book);
    store.break_writes();
    let made = book.create(spec(1), at(0)).await;
    assert!(matches!(made, Err(BookError::Store(StoreError::ReadOnly))), "{made:?}");
    assert_eq!((specs(&book), book.take_changed()), (before, false));

    store.mend_writes();
    book.create(spec(1), at(0)).await.unwrap();
    assert!(book.take_changed());
    let before = specs(&book);
    store.break_writes();
    assert!(matches!(book.replace(spec(2), None, at(1)).await, Err(BookError::Store(_))));
    assert!(matches!(book.rotate(&name, at(1)).await, Err(BookError::Store(_))));
    assert!(matches!(book.delete(&name, None).await, Err(BookError::Store(_))));
    assert_eq!((specs(&book), book.take_changed()), (before, false));
    assert_eq!(book.get(&name).unwrap().rotate_before, None);
}

#[tokio::test]
async fn a_change_that_would_end_with_the_process_is_refused_with_the_reason() {
    let newer = StoreError::Newer { found: 99, known: 5 };
    let store = Store::instead_of(std::path::Path::new("/data/mayfly.db"), &newer).unwrap();
    let (book, name) = (Book::new(&config(&[]), store.clone()), PoolName::parse("ci").unwrap());
    let before = specs(&book);
    let error = book.create(spec(1), at(0)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Pools cannot be changed: the database /data/mayfly.db cannot be used: it was written by a newer version (schema 99, this one knows 5)."
    );
    assert!(matches!(book.replace(spec(2), None, at(1)).await, Err(BookError::Unusable(_))));
    assert!(matches!(book.rotate(&name, at(1)).await, Err(BookError::Unusable(_))));
    assert!(matches!(book.delete(&name, None).await, Err(BookError::Unusable(_))));
    assert_eq!(specs(&book), before);
}

#[tokio::test]
async fn a_label_with_a_comma_is_for_just_in_time_runners() {
    let spec = || {
        let labels = ["self-hosted", "a,b", "runner=2cpu-linux-x64", "größe xl"];
        PoolSpec::from_json(&json!({"name": "ci", "labels": labels}), "").unwrap()
    };
    let at = Timestamp::UNIX_EPOCH;
    let entry = book(&[], &[]).await.create(spec(), at).await.unwrap();
    assert!(entry.pool.labels.contains("a,b") && entry.pool.labels.contains("größe xl"));
    let by_token = book(&[("runnerenv_TOKEN", "{registration_token}")], &[]).await;
    match by_token.create(spec(), at).await {
        Err(BookError::Invalid(errors)) => assert_eq!(errors[0].pointer, "/labels"),
        other => panic!("{other:?}"),
    }
}

fn name(text: &str) -> PoolName {
    PoolName::parse(text).unwrap()
}

/// The fields of an entry beside its pool.
fn facts(entry: &Entry) -> (u64, i64, [Option<Timestamp>; 3]) {
    let max = entry.pool.max as u64;
    (max, entry.revision, [entry.created_at, entry.updated_at, entry.rotate_before])
}

#[tokio::test]
async fn what_is_known_of_a_pool_is_kept_with_it_and_read_again() {
    let store = Store::in_memory().unwrap();
    let book = Book::new(&config(&[]), store.clone());
    assert_eq!(facts(&book.get(&PoolName::default_pool()).unwrap()), (10, 0, [None; 3]));
    let (ci, micros) = (name("ci"), |second: i64| at(second).as_microsecond());
    let made = book.create(spec(1), at(5)).await.unwrap();
    assert_eq!(facts(&made), (1, micros(5), [Some(at(5)), Some(at(5)), None]));
    assert!(book.take_changed() && !book.take_changed());
    let rotated = book.rotate(&ci, at(6)).await.unwrap();
    let known = (1, micros(5), [Some(at(5)), Some(at(5)), Some(at(6))]);
    assert_eq!(facts(&rotated), known);
    assert!(book.take_changed());
    assert_eq!(facts(&book.replace(spec(1), None, at(7)).await.unwrap()), known, "no change");
    assert!(!book.take_changed());
    let replaced = book.replace(spec(2), Some(micros(5)), at(8)).await.unwrap();
    let known = (2, micros(8), [Some(at(5)), Some(at(8)), Some(at(6))]);
    assert_eq!(facts(&replaced), known);
    assert!(book.take_changed());
    assert_eq!(facts(&book.get(&ci).unwrap()), known);

    let again = Book::new(&config(&[]), store.clone());
    again.load().await.unwrap();
    assert_eq!(facts(&again.get(&ci).unwrap()), known);
    assert!(!again.take_changed(), "what was there is no change");
    // The clock is set back: no revision comes twice, also of another pool or of one that was removed.
    let next = |revision: i64, entry: Entry| assert_eq!(entry.revision, micros(8) + revision);
    next(1, again.replace(spec(3), None, at(0)).await.unwrap());
    again.delete(&ci, Some(micros(8) + 1)).await.unwrap();
    assert!(again.take_changed() && again.get(&ci).is_none());
    assert_eq!(store.pools().await.unwrap(), []);
    next(2, again.create(spec(4), at(0)).await.unwrap());

    // That of the environment is rotated for as long as the process lives.
    let default = PoolName::default_pool();
    let rotated = again.rotate(&default, at(9)).await.unwrap();
    assert_eq!(facts(&rotated), (10, 0, [None, None, Some(at(9))]));
    let stored = store.pools().await.unwrap();
    assert_eq!(stored.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["ci"]);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_says_why() {
    let book = book(&[], &[]).await;
    let made = book.create(spec(1), at(0)).await.unwrap();
    let other = || PoolSpec::from_json(&json!({"name": "other"}), "").unwrap();
    let default = || PoolSpec::named(PoolName::default_pool());
    let reserved =
        "Pool default is made from the orchestrator's environment; change it there.".to_owned();
    let stale = format!(
        "Pool ci was modified concurrently: its revision is now {}. Fetch it again and retry.",
        made.revision
    );
    let none = "There is no pool other.".to_owned();
    let refused = [
        (book.create(spec(2), at(1)).await.map(drop), "There is a pool ci already.".to_owned()),
        (book.create(default(), at(1)).await.map(drop), "There is a pool default already.".into()),
        (book.replace(default(), None, at(1)).await.map(drop), reserved.clone()),
        (book.delete(&PoolName::default_pool(), None).await, reserved),
        (book.replace(other(), None, at(1)).await.map(drop), none.clone()),
        (book.delete(&name("other"), None).await, none.clone()),
        (book.rotate(&name("other"), at(1)).await.map(drop), none),
        (book.replace(spec(2), Some(made.revision - 1), at(1)).await.map(drop), stale.clone()),
        // Also where nothing would change.
        (book.replace(spec(1), Some(made.revision + 1), at(1)).await.map(drop), stale.clone()),
        (book.delete(&name("ci"), Some(1)).await, stale),
    ];
    for (outcome, expected) in refused {
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }
    assert_eq!(facts(&book.get(&name("ci")).unwrap()), facts(&made));
}

#[tokio::test]
async fn a_pool_that_cannot_be_used_is_named_until_it_is_gone_or_mended() {
    let stored = [
        json!({"name": "a", "docker": "dind"}),
        json!({"name": "b", "max": "many", "colour": 1}),
        json!({"name": "c", "docker": "dind"}),
    ];
    let (book, docker) = (
        book(&[], &stored).await,
        "/docker must be none: Docker inside jobs is allowed by DIND_ENABLED=true in the orchestrator's environment",
    );
    let unread = book.unread();
    assert_eq!(unread[0], format!("pool a is not served: {docker}"));
    assert!(unread[1].starts_with("pool b is not served: /max "), "{unread:?}");
    assert!(unread[1].contains("; /colour "), "{unread:?}");
    assert_eq!(unread.len(), 3);
    assert!(matches!(book.rotate(&name("a"), at(0)).await, Err(BookError::NotFound(_))));
    book.delete(&name("a"), None).await.unwrap();
    assert!(book.take_changed());
    let mended = PoolSpec::from_json(&json!({"name": "c"}), "").unwrap();
    book.create(mended, at(0)).await.unwrap();
    let left: Vec<bool> = book.unread().iter().map(|one| one.contains("pool b")).collect();
    assert_eq!(left, [true]);
    assert!(matches!(book.delete(&name("a"), None).await, Err(BookError::NotFound(_))));
    // What is read anew is told anew.
    book.load().await.unwrap();
    assert_eq!(
        (book.unread().len(), names(&book)),
        (1, vec!["c".to_owned(), "default".to_owned()])
    );
    // Runners of a pool that is gone are made from what the environment says.
    let image = |pool: &str| book.material_of(&name(pool)).material.image.clone();
    assert_eq!(
        (image("gone"), image("default")),
        (image("c"), "registry:5000/runner:1".to_owned())
    );
    let own = PoolSpec::from_json(&json!({"name": "own", "image": "alpine"}), "").unwrap();
    book.create(own, at(0)).await.unwrap();
    assert_eq!(image("own"), "alpine");
}
