//! Tables of what there is and what is said about it.

use mayfly_github::checkup::Level;

use super::super::finding::told;
use super::*;

#[test]
fn what_df_says_is_read() {
    let cases = [
        (
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 60 40 60% /\n",
            Some((100, 40)),
        ),
        ("Filesystem x\n//nas/a share 100 60 40 60% /mnt/my disk 5%\n", Some((100, 40))),
        ("Filesystem x\noverlay 100 60 - 60% /\n", None),
        ("Filesystem x\n", None),
        ("df: /x: No such file or directory", None),
        ("h\n60% /\n", None),
        ("", None),
    ];
    for (text, expected) in cases {
        let expected = expected.map(|(total, free)| Space { total: total << 10, free: free << 10 });
        assert_eq!(parse(text), expected, "{text}");
    }
}

#[test]
fn little_space_is_said() {
    for (bytes, level) in [
        (0, Level::Failure),
        (NONE - 1, Level::Failure),
        (NONE, Level::Warning),
        (LITTLE - 1, Level::Warning),
        (LITTLE, Level::Ok),
    ] {
        let found = free("/var/lib/docker", Space { total: 100 << 30, free: bytes });
        assert_eq!(found.level, level, "{}", found.what);
    }
}

#[test]
fn what_cannot_be_seen_is_said_so() {
    let some = Used { images: Some(3 << 30), shared_twice: true, containers: Some(1 << 20) };
    let cases = [
        (Ok(some), Level::Ok, "images take 3.0 GiB at most"),
        (Ok(Used { shared_twice: false, containers: None, ..some }), Level::Ok, "wrote unknown"),
        (Ok(Used::default()), Level::Ok, "does not tell"),
        (Err("no".to_owned()), Level::Warning, "containers take: no"),
    ];
    for (told, level, words) in cases {
        let found = used("/x", told);
        assert!(found[0].what.contains("/x cannot be seen"), "{found:?}");
        assert_eq!(found[1].level, level, "{found:?}");
        assert!(found[1].what.contains(words), "{found:?}");
    }
}

#[test]
fn sizes_are_for_people() {
    for (bytes, text) in [
        (0, "0.0 KiB"),
        (1 << 10, "1.0 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 29, "1.5 GiB"),
        (2 << 40, "2.0 TiB"),
    ] {
        assert_eq!(size(bytes), text);
    }
}

#[test]
fn what_is_said_of_space_is_said_in_full() {
    let hint = "docker system df tells what takes space, docker system prune frees what is not used; or have a larger disk";
    let of = |free| Space { total: 100 << 30, free };
    let found = [
        free("/d", of((1 << 30) - 1)),
        free("/d", of(1 << 30)),
        free("/d", of((10 << 30) - 1)),
        free("/d", of(10 << 30)),
    ];
    let expected = [
        format!("Failure: 1023.9 MiB of 100.0 GiB are free at /d → {hint}"),
        format!("Warning: 1.0 GiB of 100.0 GiB are free at /d → {hint}"),
        format!("Warning: 9.9 GiB of 100.0 GiB are free at /d → {hint}"),
        "Ok: 10.0 GiB of 100.0 GiB are free at /d".to_owned(),
    ];
    assert_eq!(told(&found), expected);
    let unseen = "Ok: note: how much is free at /d cannot be seen from here; df -h /d on the engine's machine tells";
    let taken = |images, shared_twice, containers| {
        told(&used("/d", Ok(Used { images, shared_twice, containers })))
    };
    let rows = [
        (
            taken(Some(3 << 30), true, Some(5 << 20)),
            "Ok: images take 3.0 GiB at most (layers that they share count for each), what containers wrote 5.0 MiB",
        ),
        (
            taken(Some(3 << 30), false, None),
            "Ok: images take 3.0 GiB, what containers wrote unknown",
        ),
        (
            taken(None, false, Some(7 << 10)),
            "Ok: images take unknown, what containers wrote 7.0 KiB",
        ),
        (
            taken(None, false, None),
            "Ok: note: the engine does not tell what images and containers take either",
        ),
        (
            told(&used("/d", Err("no".to_owned()))),
            "Warning: the engine does not tell what images and containers take: no → look at the engine's log",
        ),
    ];
    for (found, said) in rows {
        assert_eq!(found, [unseen, said]);
    }
    let nameless = told(&used("", Ok(Used::default())));
    assert!(nameless[0].contains("at where the engine keeps things cannot"), "{nameless:?}");
}

#[test]
fn a_size_changes_its_unit_where_the_next_one_begins() {
    let below = [(1 << 20) - 1, (1 << 30) - 1, (1 << 40) - 1].map(size);
    assert_eq!(below, ["1023.9 KiB", "1023.9 MiB", "1023.9 GiB"]);
    assert_eq!([1 << 20, 1 << 30, 1 << 40].map(size), ["1.0 MiB", "1.0 GiB", "1.0 TiB"]);
}

#[test]
fn only_a_folder_has_a_file_system() {
    assert_eq!(space(Path::new("/nowhere/at/all")), None);
    let root = space(Path::new("/")).unwrap();
    assert!(root.total > root.free && root.total.is_multiple_of(1024), "{root:?}");
}
