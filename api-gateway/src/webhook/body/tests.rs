use std::convert::Infallible;

use axum::body::Bytes;
use futures::{StreamExt as _, stream};

use super::*;

/// A body of `length` bytes in pieces.
fn pieces(length: usize, piece: usize) -> Body {
    let whole = length / piece;
    let sizes = std::iter::repeat_n(piece, whole)
        .chain((!length.is_multiple_of(piece)).then_some(length % piece));
    Body::from_stream(stream::iter(
        sizes.map(|size| Ok::<_, Infallible>(Bytes::from(vec![b'x'; size]))),
    ))
}

/// A body that sends `length` bytes and then nothing more, without ending.
fn stuck(length: usize) -> Body {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b'x'; length]))]);
    Body::from_stream(first.chain(stream::pending()))
}

#[test]
fn the_deadlines_fit_into_each_other() {
    assert!(PLACE_TIMEOUT < BODY_TIMEOUT);
}

#[tokio::test]
async fn bodies_of_every_size_up_to_the_cap_are_read_whole() {
    let room = Room::new();
    for length in [0, 1, FIRST, FIRST + 1, ORDINARY, ORDINARY + 1, MAX_BODY] {
        for declared in [None, Some(length)] {
            let held = room.read(pieces(length, 7001), declared, true).await.ok().unwrap();
            assert_eq!(held.bytes.len(), length);
            assert!(held.bytes.capacity() <= MAX_BODY);
            assert_eq!(held.is_large(), length > ORDINARY);
            if let Some(length) = declared {
                assert_eq!(held.bytes.capacity(), length, "no more than announced");
            }
        }
    }
    assert_eq!(room.ordinary.available_permits(), ORDINARY_ROOM / UNIT, "room was lost");
    assert_eq!(room.large.available_permits(), 1, "the place was lost");
}

#[tokio::test]
async fn one_byte_more_is_refused_announced_or_not() {
    let room = Room::new();
    for declared in [None, Some(MAX_BODY + 1), Some(1)] {
        let unread = room.read(pieces(MAX_BODY + 1, 1 << 20), declared, true).await.err();
        assert_eq!(unread, Some(Unread::TooLarge), "{declared:?}");
    }
}

#[tokio::test]
async fn a_suspect_may_send_ordinary_bodies_only() {
    let room = Room::new();
    assert!(room.read(pieces(ORDINARY, 1000), None, false).await.is_ok());
    for declared in [None, Some(ORDINARY + 1)] {
        let unread = room.read(pieces(ORDINARY + 1, 1000), declared, false).await.err();
        assert_eq!(unread, Some(Unread::Suspect));
    }
}

#[tokio::test]
async fn room_is_taken_by_what_arrives_not_by_what_is_announced() {
    let room = Room::new();
    let mut slow = Vec::new();
    for _ in 0..1000 {
        let mut read = Box::pin(room.read(stuck(1), Some(ORDINARY), true));
        assert!(futures::poll!(&mut read).is_pending());
        slow.push(read);
    }
    // They announced 250 MB.
    assert_eq!(room.ordinary.available_permits(), (ORDINARY_ROOM - 1000 * FIRST) / UNIT);
    assert!(room.read(pieces(10_000, 1000), Some(10_000), true).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_who_announce_large_bodies_wait_without_room() {
    let room = Room::new();
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let mut read = Box::pin(room.read(stuck(ORDINARY), Some(MAX_BODY), true));
        assert!(futures::poll!(&mut read).is_pending());
        waiting.push(read);
    }
    assert_eq!(room.ordinary.available_permits(), ORDINARY_ROOM / UNIT);
}

#[tokio::test]
async fn ordinary_bodies_beyond_the_room_are_refused_and_room_comes_back() {
    let room = Room::new();
    let mut held = Vec::new();
    for _ in 0..ORDINARY_ROOM / ORDINARY {
        held.push(room.read(pieces(ORDINARY, 8192), Some(ORDINARY), true).await.ok().unwrap());
    }
    let refused = room.read(pieces(10, 10), Some(10), true).await.err();
    assert_eq!(refused, Some(Unread::NoRoom));
    let large = room.read(pieces(MAX_BODY, 1 << 20), Some(MAX_BODY), true).await;
    assert!(large.is_ok(), "its room is another one");
    held.pop();
    assert!(room.read(pieces(10, 10), Some(10), true).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn large_bodies_wait_for_each_other_and_ordinary_ones_for_nobody() {
    let room = Room::new();
    let large = || room.read(pieces(MAX_BODY, 1 << 20), Some(MAX_BODY), true);
    let first = large().await.ok().unwrap();
    let mut second = Box::pin(large());
    assert!(futures::poll!(&mut second).is_pending());
    assert!(room.read(pieces(ORDINARY, 8192), None, true).await.is_ok());
    drop(first);
    let second = second.await.ok().unwrap();
    let third = large().await.err();
    assert_eq!(third, Some(Unread::NoRoom), "nobody gives the place up");
    let unannounced = room.read(pieces(MAX_BODY, 1 << 20), None, true).await.err();
    assert_eq!(unannounced, Some(Unread::NoRoom), "nobody gives the place up");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up_and_its_room_comes_back() {
    let room = Room::new();
    assert_eq!(room.read(stuck(100), Some(200), true).await.err(), Some(Unread::TooSlow));
    assert_eq!(room.read(stuck(ORDINARY + 1), None, true).await.err(), Some(Unread::TooSlow));
    assert_eq!(room.ordinary.available_permits(), ORDINARY_ROOM / UNIT);
    assert_eq!(room.large.available_permits(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let items = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))];
    let unread = Room::new().read(Body::from_stream(stream::iter(items)), None, true).await.err();
    assert_eq!(unread, Some(Unread::Broken));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looks_at_is_read_for_a_moment_only() {
    let started = tokio::time::Instant::now();
    discard(pieces(ORDINARY, 1000)).await;
    discard(pieces(MAX_BODY, 1 << 20)).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    discard(stuck(10)).await;
    assert_eq!(started.elapsed().as_secs(), DISCARD_TIMEOUT.as_secs());
}
