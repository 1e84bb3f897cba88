//! What becomes of a log whose database was replaced after a crash.

use std::os::unix::fs::symlink;

use rusqlite::Connection;

use super::super::tests::Folder;
use super::*;
use crate::file;

fn since(connection: &Connection) -> i64 {
    connection.query_row("SELECT since FROM drain", [], |row| row.get(0)).unwrap()
}

fn write(connection: &Connection, since: i64) {
    connection.execute("INSERT OR REPLACE INTO drain VALUES (1, ?1)", [since]).unwrap();
}

/// Leaves a database that says 88, as one does that is killed: that is in its log. A backup of it says 77. They are never closed:
/// `SQLite` would end the log.
fn crashed(folder: &Path) -> (PathBuf, PathBuf) {
    let (path, backup) = (folder.join("m.db"), folder.join("backup.db"));
    let (connection, file) = file::open(&path).unwrap();
    write(&connection, 77);
    connection.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    write(&connection, 88);
    std::mem::forget((connection, file));
    (path, backup)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_log_of_the_old_file_is_not_written_into_the_one_in_its_place() {
    let folder = Folder::new();
    let (path, backup) = crashed(&folder.0);
    let log = fs::read(beside(&path, "-wal")).unwrap();
    let bytes = fs::read(&backup).unwrap();
    fs::rename(&backup, &path).unwrap();
    assert!(file::has_strange_log(&path));
    assert_eq!(file::check(&path), Ok(()));
    assert!(fs::read(beside(&path, "-wal")).unwrap() == log, "checking changes nothing");
    assert!(fs::read(&path).unwrap() == bytes);

    let (connection, file) = file::open(&path).unwrap();
    assert_eq!(since(&connection), 77);
    assert!(fs::read(folder.0.join("m.db-wal.old")).unwrap() == log, "it is kept");
    assert!(!file::has_strange_log(&path), "its own log is");
    drop((connection, file));
    assert_eq!(names(&folder.0), ["m.db", "m.db-wal.old", "m.db.lock"]);
}

#[test]
fn the_log_of_a_removed_file_is_kept_and_never_over_another() {
    let folder = Folder::new();
    for taken in ["m.db-wal.old", "m.db-wal.old-2"] {
        fs::write(folder.0.join(taken), "kept").unwrap();
    }
    let (path, _) = crashed(&folder.0);
    let log = fs::read(beside(&path, "-wal")).unwrap();
    fs::remove_file(&path).unwrap();
    let (connection, _file) = file::open(&path).unwrap();
    let rows: i64 =
        connection.query_row("SELECT count(*) FROM drain", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
    assert!(fs::read(folder.0.join("m.db-wal.old-3")).unwrap() == log);
    assert_eq!(fs::read(folder.0.join("m.db-wal.old-2")).unwrap(), b"kept");
}

#[test]
fn the_database_of_another_program_and_the_log_beside_it_stay() {
    let folder = Folder::new();
    let (path, _) = crashed(&folder.0);
    let theirs = folder.0.join("theirs.db");
    Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    fs::rename(&theirs, &path).unwrap();
    let before = (fs::read(&path).unwrap(), fs::read(beside(&path, "-wal")).unwrap());
    // With the log of ours it would look like ours.
    assert_eq!(file::check(&path), Err(StoreError::Foreign));
    assert_eq!(file::open(&path).err(), Some(StoreError::Foreign));
    assert!((fs::read(&path).unwrap(), fs::read(beside(&path, "-wal")).unwrap()) == before);
}

/// What is done to the files.
type Act<'a> = &'a dyn Fn(&Path);

/// What is done after a crash.
#[test]
fn only_a_database_that_was_replaced_alone_is_told() {
    let copy = |path: &Path, suffix: &str| {
        let new = beside(path, ".copy");
        fs::copy(beside(path, suffix), &new).unwrap();
        fs::rename(&new, beside(path, suffix)).unwrap();
    };
    let cases: [(&str, Act<'_>); 6] = [
        ("nothing", &|_| {}),
        ("the database is a copy", &|path| copy(path, "")),
        ("both are copies", &|path| ["", "-wal"].iter().for_each(|suffix| copy(path, suffix))),
        ("the log is a copy", &|path| copy(path, "-wal")),
        ("an earlier release locked it", &|path| {
            fs::write(lock(path), "").unwrap();
            copy(path, "");
        }),
        ("the record is half written", &|path| {
            let text = fs::read(lock(path)).unwrap();
            fs::write(lock(path), &text[..text.len() / 2]).unwrap();
            copy(path, "");
        }),
    ];
    for (what, act) in cases {
        let folder = Folder::new();
        let (path, _) = crashed(&folder.0);
        act(&path);
        assert_eq!(file::has_strange_log(&path), what == "the database is a copy", "{what}");
    }
}

#[test]
fn the_record_is_made_again_with_the_lock_and_with_the_files() {
    let folder = Folder::new();
    let path = folder.0.join("m.db");
    let (mut connection, mut file) = file::open(&path).unwrap();
    let now = || Record {
        database: Identity::at(&path).unwrap().unwrap(),
        log: Identity::at(&beside(&path, "-wal")).unwrap(),
    };
    let first = now();
    assert!(first.log.is_some());
    assert_eq!(Record::of(&path), Some(now()));
    // The lock stays the one that is locked.
    let locked = open(&path).unwrap();
    for name in ["m.db", "m.db-wal"] {
        fs::remove_file(folder.0.join(name)).unwrap();
        file.look_after(&mut connection).unwrap();
        assert_eq!(Record::of(&path), Some(now()), "{name}");
    }
    assert_ne!(now(), first);
    assert_eq!(locked.metadata().unwrap().ino(), fs::metadata(lock(&path)).unwrap().ino());
    fs::remove_file(lock(&path)).unwrap();
    file.look_after(&mut connection).unwrap();
    assert_eq!(Record::of(&path), Some(now()));
    assert_eq!(fs::metadata(lock(&path)).unwrap().permissions().mode() & 0o777, PRIVATE);
}

#[test]
fn the_log_is_beside_what_a_symbolic_link_leads_to() {
    let (folder, links) = (Folder::new(), Folder::new());
    let (path, backup) = crashed(&folder.0);
    let link = links.0.join("link.db");
    symlink(&path, &link).unwrap();
    fs::rename(&backup, &path).unwrap();
    assert!(file::has_strange_log(&link));
    assert_eq!(since(&file::open(&link).unwrap().0), 77);
    assert_eq!(names(&links.0), ["link.db"]);
}

#[test]
fn a_file_is_the_same_by_its_number_and_when_it_was_made() {
    let file = |device, inode, born| Identity { device, inode, born };
    let cases = [
        (file(1, 7, Some((5, 6))), file(1, 7, Some((5, 6))), true),
        // After a restart of the machine.
        (file(1, 7, Some((5, 6))), file(2, 7, Some((5, 6))), true),
        // A number that was given again.
        (file(1, 7, Some((5, 6))), file(1, 7, Some((5, 7))), false),
        (file(1, 7, Some((5, 6))), file(1, 8, Some((5, 6))), false),
        // What does not tell since when a file is there.
        (file(1, 7, None), file(1, 7, None), true),
        (file(1, 7, None), file(2, 7, None), false),
        (file(1, 7, None), file(1, 7, Some((5, 6))), true),
    ];
    for (one, other, same) in cases {
        assert_eq!((one.is_still(&other), other.is_still(&one)), (same, same), "{one:?} {other:?}");
    }
}

#[test]
fn a_lock_that_is_no_file_is_neither_followed_nor_waited_for() {
    let folder = Folder::new();
    let (path, other) = (folder.0.join("m.db"), folder.0.join("other"));
    fs::write(&other, "theirs").unwrap();
    symlink(&other, folder.0.join("m.db.lock")).unwrap();
    let dangling = folder.0.join("n.db");
    symlink(folder.0.join("nothing"), folder.0.join("n.db.lock")).unwrap();
    let piped = folder.0.join("p.db");
    rustix::fs::mknodat(
        CWD,
        folder.0.join("p.db.lock"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    for path in [path, dangling, piped] {
        assert!(open(&path).is_err(), "{}", path.display());
        // The database itself can be used.
        drop(file::open(&path).unwrap());
    }
    assert_eq!(fs::read(&other).unwrap(), b"theirs");
    assert!(!folder.0.join("nothing").exists());
}
