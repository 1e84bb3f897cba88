//! What is written comes back field by field, and the file has the spelling that earlier releases wrote.

use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{Content, Delivery, Hook};

use super::*;
use crate::Store;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Every field has a value of its own.
fn row(id: i64, status: JobStatus) -> Row {
    Row {
        id,
        repo: RepoSlug::parse("Octo/App").unwrap(),
        name: "build (a, b)".to_owned(),
        labels: LabelSet::requested(["self-hosted", "größe xl", "a,b"]),
        status,
        conclusion: Some("failure".to_owned()),
        queued_at: at(1),
        queue_known: id % 2 == 1,
        started_at: Some(at(2)),
        completed_at: Some(at(3)),
        runner: Some("r-1".to_owned()),
        pool: Some("ci".to_owned()),
        told_at: Some(at(4)),
        left_at: Some(at(5)),
        seen_at: at(6),
    }
}

#[tokio::test]
async fn a_job_comes_back_as_it_was_in_every_field() {
    let store = Store::in_memory().unwrap();
    let bare = Row {
        conclusion: None,
        started_at: None,
        completed_at: None,
        runner: None,
        pool: None,
        told_at: None,
        left_at: None,
        ..row(5, JobStatus::Queued)
    };
    let rows = [
        row(1, JobStatus::Waiting),
        row(2, JobStatus::Queued),
        row(3, JobStatus::InProgress),
        row(4, JobStatus::Completed),
        bare,
    ];
    store.save(rows.to_vec()).await.unwrap();
    for row in &rows {
        assert_eq!(store.job(row.id).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.job(6).await.unwrap(), None);
    // What is learnt later takes the place of what was known.
    let later = Row { name: "other".to_owned(), seen_at: at(9), ..row(2, JobStatus::Completed) };
    store.save(vec![later.clone()]).await.unwrap();
    assert_eq!(store.job(2).await.unwrap(), Some(later));
    assert_eq!(store.jobs(None, None, (10, 0)).await.unwrap().0, 5);
}

#[tokio::test]
async fn a_row_that_is_none_of_ours_hides_no_other() {
    let store = Store::in_memory().unwrap();
    store.save((1..=4).map(|id| row(id, JobStatus::Completed)).collect()).await.unwrap();
    let spoilt = "UPDATE jobs SET repository = 'none' WHERE id = 1;
         UPDATE jobs SET status = 'asleep' WHERE id = 2;
         UPDATE jobs SET seen_at = 9223372036854775807 WHERE id = 3";
    store.run(|connection| connection.execute_batch(spoilt)).await.unwrap();
    let (total, found) = store.jobs(None, None, (10, 0)).await.unwrap();
    assert_eq!((total, found.iter().map(|row| row.id).collect::<Vec<_>>()), (4, vec![4]));
    assert_eq!(store.job(1).await.unwrap(), None);
}

#[tokio::test]
async fn a_pool_comes_back_as_it_was_in_the_order_of_names() {
    let store = Store::in_memory().unwrap();
    let pool = |name: &str, rotate_before| PoolRow {
        name: name.to_owned(),
        spec: format!("{{\"name\":\"{name}\"}}"),
        revision: 7,
        created_at: at(1),
        updated_at: at(2),
        rotate_before,
    };
    let (a, b) = (pool("a", None), pool("b", Some(at(3))));
    for row in [&b, &a] {
        store.save_pool(row.clone()).await.unwrap();
    }
    assert_eq!(store.pools().await.unwrap(), [a.clone(), b]);
    let changed = PoolRow { revision: 8, updated_at: at(4), ..pool("b", None) };
    store.save_pool(changed.clone()).await.unwrap();
    assert_eq!(store.pools().await.unwrap(), [a.clone(), changed]);
    store.delete_pool("b".to_owned()).await.unwrap();
    assert_eq!(store.pools().await.unwrap(), [a]);
}

#[tokio::test]
async fn a_hook_is_known_by_what_it_is_installed_on() {
    let store = Store::in_memory().unwrap();
    let targets = [
        (HookTarget::Business, "business"),
        (HookTarget::Repository, "repository"),
        (HookTarget::Integration, "integration"),
        (HookTarget::Organization, "organization"),
    ];
    let ping = |id: i64, target, content| Delivery {
        id: format!("{id}-{content:?}"),
        event: "ping".to_owned(),
        hook: Some(Hook { id, target, target_name: Some(format!("of-{id}")) }),
        content,
    };
    // The latest first, so that the order of the list is its own.
    for (id, (target, _)) in (1_i64..).zip(targets).collect::<Vec<_>>().into_iter().rev() {
        store.record(&ping(id, target, Content::Ping), at(id)).await.unwrap();
    }
    let expected: Vec<KnownHook> = (1_i64..)
        .zip(targets)
        .map(|(id, (target, _))| KnownHook {
            id,
            target,
            target_name: Some(format!("of-{id}")),
            last_seen_at: at(id),
        })
        .collect();
    assert_eq!(store.hooks().await.unwrap(), expected);
    let spelt: Vec<String> = store
        .run(|connection| {
            let mut query = connection.prepare("SELECT target FROM hooks ORDER BY id")?;
            query.query_map([], |row| row.get(0))?.collect()
        })
        .await
        .unwrap();
    assert_eq!(spelt, targets.map(|(_, name)| name));
    // One that is deleted and made again, and one that this release does not know.
    let (business, _) = targets[0];
    store.record(&ping(1, business, Content::HookDeleted), at(8)).await.unwrap();
    assert_eq!(store.hooks().await.unwrap(), expected[1..]);
    store.record(&ping(1, business, Content::Repositories), at(9)).await.unwrap();
    assert_eq!(store.hooks().await.unwrap()[0].last_seen_at, at(9));
    let unknown = "UPDATE hooks SET target = 'moon' WHERE id = 1";
    store.run(|connection| connection.execute(unknown, [])).await.unwrap();
    assert_eq!(store.hooks().await.unwrap(), expected[1..]);
}
