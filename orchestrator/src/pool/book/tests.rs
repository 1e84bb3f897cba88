//! What the store of an older release holds, and what is not allowed here.

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
