use std::convert::Infallible;
use std::sync::LazyLock;

use axum::body::Bytes;
use futures::{StreamExt as _, stream};

use super::*;

/// An address that nothing is known of.
fn from(number: u8) -> Sender<'static> {
    static SUSPECTS: LazyLock<Suspects> = LazyLock::new(Suspects::new);
    Sender { address: [192, 0, 2, number].into(), suspects: &SUSPECTS }
}

/// One that is suspected.
fn suspect(number: u8) -> Sender<'static> {
    static SUSPECTS: LazyLock<Suspects> = LazyLock::new(Suspects::new);
    let sender = Sender { suspects: &SUSPECTS, ..from(number) };
    SUSPECTS.count(sender.address, QUOTA, Instant::now());
    sender
}

/// Why a body was not read.
fn why(read: Result<Held, GivenUp>) -> Option<Unread> {
    read.err().map(|given_up| given_up.why)
}

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
            let held = room.read(pieces(length, 7001), declared, from(1)).await.ok().unwrap();
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
async fn a_body_that_turns_out_large_gives_its_ordinary_room_back() {
    let room = Room::new();
    let _large = room.read(pieces(ORDINARY + 1, 1000), None, from(1)).await.ok().unwrap();
    let mut held = Vec::new();
    for _ in 0..ROOM_OF_ONE / SMALL {
        held.push(room.read(pieces(SMALL, 8192), Some(SMALL), from(1)).await.ok().unwrap());
    }
}

#[tokio::test]
async fn one_byte_more_is_refused_announced_or_not() {
    let room = Room::new();
    for declared in [None, Some(MAX_BODY + 1), Some(1)] {
        let unread = why(room.read(pieces(MAX_BODY + 1, 1 << 20), declared, from(1)).await);
        assert_eq!(unread, Some(Unread::TooLarge), "{declared:?}");
    }
}

#[tokio::test]
async fn a_suspect_may_send_ordinary_bodies_only() {
    let room = Room::new();
    assert!(room.read(pieces(ORDINARY, 1000), None, suspect(1)).await.is_ok());
    for declared in [None, Some(ORDINARY + 1)] {
        let unread = why(room.read(pieces(ORDINARY + 1, 1000), declared, suspect(1)).await);
        assert_eq!(unread, Some(Unread::Suspect));
    }
}

#[tokio::test]
async fn room_is_taken_by_what_arrives_not_by_what_is_announced() {
    let room = Room::new();
    let mut slow = Vec::new();
    for _ in 0..1000 {
        let sender = from(u8::try_from(slow.len() / 100).unwrap());
        let mut read = Box::pin(room.read(stuck(1), Some(ORDINARY), sender));
        assert!(futures::poll!(&mut read).is_pending());
        slow.push(read);
    }
    // They announced 250 MB.
    assert_eq!(room.ordinary.available_permits(), (ORDINARY_ROOM - 1000 * FIRST) / UNIT);
    assert!(room.read(pieces(10_000, 1000), Some(10_000), from(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn those_who_announce_large_bodies_wait_without_room() {
    let room = Room::new();
    let mut waiting = Vec::new();
    for sender in 0..100 {
        let mut read = Box::pin(room.read(stuck(ORDINARY), Some(MAX_BODY), from(sender)));
        assert!(futures::poll!(&mut read).is_pending());
        waiting.push(read);
    }
    assert_eq!(room.ordinary.available_permits(), ORDINARY_ROOM / UNIT);
}

#[tokio::test]
async fn ordinary_bodies_beyond_the_room_are_refused_and_room_comes_back() {
    let room = Room::new();
    let mut held = Vec::new();
    for number in 0..(ORDINARY_ROOM - ROOM_OF_SMALL) / ORDINARY {
        let sender = from(u8::try_from(number / 8).unwrap());
        held.push(room.read(pieces(ORDINARY, 8192), Some(ORDINARY), sender).await.ok().unwrap());
    }
    assert_eq!(held.len() * 256, 12 * 1024, "kibibytes");
    let refused = why(room.read(pieces(ORDINARY, 8192), Some(ORDINARY), from(99)).await);
    assert_eq!(refused, Some(Unread::NoRoom), "the rest is for small ones");
    let refused = why(room.read(pieces(SMALL + 1, 8192), Some(SMALL + 1), from(99)).await);
    assert_eq!(refused, Some(Unread::NoRoom), "a byte more is not small");
    let mut small = Vec::new();
    for number in 0..ROOM_OF_SMALL / SMALL {
        let sender = from(100 + u8::try_from(number / 64).unwrap());
        small.push(room.read(pieces(SMALL, 8192), Some(SMALL), sender).await.ok().unwrap());
    }
    assert_eq!(small.len() * 32, 4 * 1024, "kibibytes");
    let refused = why(room.read(pieces(10, 10), Some(10), from(99)).await);
    assert_eq!(refused, Some(Unread::NoRoom));
    let large = room.read(pieces(MAX_BODY, 1 << 20), Some(MAX_BODY), from(1)).await;
    assert!(large.is_ok(), "its room is another one");
    small.pop();
    assert!(room.read(pieces(10, 10), Some(10), from(99)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_became_a_suspect_while_it_waited_does_not_get_the_place() {
    let (room, suspects) = (Room::new(), Suspects::new());
    let sender = Sender { suspects: &suspects, ..from(1) };
    let first = room.read(pieces(MAX_BODY, 1 << 20), Some(MAX_BODY), sender).await.ok().unwrap();
    let mut second = Box::pin(room.read(pieces(MAX_BODY, 1 << 20), Some(MAX_BODY), sender));
    assert!(futures::poll!(&mut second).is_pending());
    suspects.count(sender.address, first.weight(), Instant::now());
    drop(first);
    assert_eq!(why(second.await), Some(Unread::Suspect));
}

#[tokio::test(start_paused = true)]
async fn a_body_weighs_what_it_held() {
    let room = Room::new();
    for (length, weight) in
        [(0, 1), (FIRST, 1), (FIRST + 1, 2), (ORDINARY, 16), (ORDINARY + 1, QUOTA)]
    {
        let held = room.read(pieces(length, 4096), Some(length), from(1)).await.ok().unwrap();
        assert_eq!(held.weight(), weight, "{length}");
    }
    let weight =
        async |body, declared| room.read(body, declared, from(1)).await.err().unwrap().weight;
    assert_eq!(weight(stuck(100), Some(200)).await, SLOW);
    assert_eq!(weight(stuck(ORDINARY + 1), None).await, QUOTA, "it had the place");
    assert_eq!(weight(stuck(100), Some(ORDINARY + 1)).await, QUOTA);
    assert_eq!(weight(pieces(MAX_BODY + 1, 1 << 20), None).await, QUOTA);
    assert_eq!(weight(pieces(1, 1), Some(MAX_BODY + 1)).await, 0, "nothing was held");
}

#[tokio::test(start_paused = true)]
async fn large_bodies_wait_for_each_other_and_ordinary_ones_for_nobody() {
    let room = Room::new();
    let large = || room.read(pieces(MAX_BODY, 1 << 20), Some(MAX_BODY), from(1));
    let first = large().await.ok().unwrap();
    let mut second = Box::pin(large());
    assert!(futures::poll!(&mut second).is_pending());
    assert!(room.read(pieces(ORDINARY, 8192), None, from(1)).await.is_ok());
    drop(first);
    let second = second.await.ok().unwrap();
    let started = Instant::now();
    let third = why(large().await);
    assert_eq!(third, Some(Unread::NoRoom), "nobody gives the place up");
    assert_eq!(started.elapsed().as_secs(), 5);
    let unannounced = why(room.read(pieces(MAX_BODY, 1 << 20), None, from(1)).await);
    assert_eq!(unannounced, Some(Unread::NoRoom), "nobody gives the place up");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up_and_its_room_comes_back() {
    let room = Room::new();
    assert_eq!(why(room.read(stuck(100), Some(200), from(1)).await), Some(Unread::TooSlow));
    assert_eq!(why(room.read(stuck(ORDINARY + 1), None, from(1)).await), Some(Unread::TooSlow));
    assert_eq!(room.ordinary.available_permits(), ORDINARY_ROOM / UNIT);
    assert_eq!(room.large.available_permits(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let items = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))];
    let unread = why(Room::new().read(Body::from_stream(stream::iter(items)), None, from(1)).await);
    assert_eq!(unread, Some(Unread::Broken));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looks_at_is_read_for_a_moment_only() {
    let started = tokio::time::Instant::now();
    discard(pieces(ORDINARY, 1000)).await;
    discard(pieces(MAX_BODY, 1 << 20)).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    discard(stuck(10)).await;
    assert_eq!(started.elapsed().as_secs(), 1);
}

#[tokio::test]
async fn one_address_cannot_take_all_the_room_nor_wait_in_every_place() {
    let room = Room::new();
    let mut held = Vec::new();
    while let Ok(more) = room.read(pieces(ORDINARY, 8192), Some(ORDINARY), from(1)).await {
        held.push(more);
    }
    assert_eq!(held.len(), 16, "of 256 KiB: 4 MiB");
    assert!(room.read(pieces(ORDINARY, 8192), Some(ORDINARY), from(2)).await.is_ok());
    held.pop();
    assert!(room.read(pieces(10, 10), Some(10), from(1)).await.is_ok(), "its share came back");
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let mut read = Box::pin(room.read(stuck(1), Some(MAX_BODY), from(1)));
        assert!(futures::poll!(&mut read).is_pending());
        waiting.push(read);
    }
    let refused = why(room.read(stuck(1), Some(MAX_BODY), from(1)).await);
    assert_eq!(refused, Some(Unread::NoRoom));
}

/// Three strangers who announce much and send nothing do not keep a signed push waiting for longer than it waits.
#[tokio::test(start_paused = true)]
async fn those_who_hold_the_place_and_send_nothing_lose_it_in_time() {
    let room = Arc::new(Room::new());
    for _ in 0..LARGE_OF_ONE {
        let room = Arc::clone(&room);
        tokio::spawn(async move { why(room.read(stuck(1), Some(1 << 20), from(1)).await) });
        tokio::task::yield_now().await;
    }
    let push = room.read(pieces(300_000, 8192), Some(300_000), from(2)).await;
    assert!(push.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_body_must_come_fast_enough() {
    let room = Room::new();
    let paced = |piece: usize, pause: u64| {
        let pieces = stream::unfold(0, move |sent| async move {
            if sent >= ORDINARY {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; piece])), sent + piece))
        });
        Body::from_stream(pieces)
    };
    // 40 kB a second; 16 kB a second; one piece after a pause of three seconds.
    assert!(room.read(paced(4096, 100), Some(ORDINARY), from(1)).await.is_ok());
    let started = Instant::now();
    let slow = why(room.read(paced(1638, 100), Some(ORDINARY), from(1)).await);
    assert_eq!(slow, Some(Unread::TooSlow));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let started = Instant::now();
    let stalled = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b'x'; ORDINARY / 2]))]);
    let stalled = Body::from_stream(stalled.chain(stream::pending()));
    let stalled = why(room.read(stalled, Some(ORDINARY), from(1)).await);
    assert_eq!(stalled, Some(Unread::TooSlow));
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn a_suspect_gets_room_only_while_half_of_it_is_free() {
    let room = Room::new();
    let mut held = Vec::new();
    for number in 0..ORDINARY_ROOM / ORDINARY / 2 {
        assert!(room.read(pieces(10, 10), Some(10), suspect(1)).await.is_ok());
        let sender = from(u8::try_from(number / 8).unwrap());
        held.push(room.read(pieces(ORDINARY, 8192), Some(ORDINARY), sender).await.ok().unwrap());
    }
    let refused = why(room.read(pieces(10, 10), Some(10), suspect(1)).await);
    assert_eq!(refused, Some(Unread::NoRoom));
    assert!(room.read(pieces(10, 10), Some(10), from(99)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_large_body_must_come_faster_and_in_time() {
    // For ever, so many KiB a second.
    let paced = |speed: usize| {
        let pieces = stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; speed * 1024 / 10])), ()))
        });
        Body::from_stream(pieces)
    };
    let room = Room::new();
    for (speed, given_up) in [(240, 10), (200, 4), (100, 1), (300, 10)] {
        let started = Instant::now();
        let slow = room.read(paced(speed), Some(MAX_BODY), from(1)).await.err().unwrap();
        assert_eq!((slow.why, slow.weight), (Unread::TooSlow, QUOTA));
        assert_eq!(started.elapsed().as_secs(), given_up, "{speed}");
    }
    assert_eq!(room.large.available_permits(), 1);
}

#[test]
fn the_sender_is_told_why() {
    let problem = |status: u16, kind: &str, title: &str, detail: Option<&str>, after| Problem {
        kind: format!("urn:mayfly:problem:{kind}"),
        title: title.to_owned(),
        status,
        detail: detail.map(str::to_owned),
        errors: Vec::new(),
        retry_after: after,
    };
    for (why, expected) in [
        (
            Unread::TooLarge,
            problem(
                413,
                "payload-too-large",
                "The body is too large",
                Some("At most 26214400 bytes are taken."),
                None,
            ),
        ),
        (
            Unread::Suspect,
            problem(
                429,
                "rate-limited",
                "Too many requests",
                Some("Wait for as long as Retry-After says."),
                Some(5),
            ),
        ),
        (
            Unread::NoRoom,
            problem(
                503,
                "busy",
                "There is no room for this delivery now",
                Some("Too many bodies are being read. Have GitHub deliver it again."),
                Some(5),
            ),
        ),
        (Unread::TooSlow, problem(408, "timeout", "The body came too slowly", None, None)),
        (
            Unread::Broken,
            problem(
                400,
                "malformed-request",
                "The request cannot be read",
                Some("The body ended early."),
                None,
            ),
        ),
    ] {
        assert_eq!(why.problem(), expected);
    }
}
