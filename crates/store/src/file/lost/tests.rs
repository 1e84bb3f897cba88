//! What becomes of a database whose file is emptied or written over.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::super::tests::Folder;
use super::super::{File, beside, is_something_else, open};
use super::*;

const SPEC: &str = r#"{"labels":["a"]}"#;

/// Holds a pool, a drain, and the logs of runners.
fn filled(path: &Path) -> (Connection, File) {
    let (connection, mut file) = open(path).unwrap();
    connection.execute("INSERT INTO pools VALUES ('p', ?1, 3, 4, 5, NULL)", [SPEC]).unwrap();
    connection.execute("INSERT INTO drain VALUES (1, 77)", []).unwrap();
    for at in 0..40 {
        connection
            .execute(
                "INSERT INTO finished_runners VALUES ('r', 'p', 's', 'n', 'i', 't', 'w', 0, 0, ?1, 0, ?2)",
                (at, "log ".repeat(3_000)),
            )
            .unwrap();
    }
    file.keep(&connection);
    (connection, file)
}

fn count(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn has_pool_and_drain(connection: &Connection, what: &str) {
    let spec: String = connection
        .query_row("SELECT spec FROM pools WHERE name = 'p'", [], |row| row.get(0))
        .unwrap();
    let since: i64 = connection.query_row("SELECT since FROM drain", [], |row| row.get(0)).unwrap();
    assert_eq!((spec.as_str(), since), (SPEC, 77), "{what}");
}

#[test]
fn a_file_that_is_emptied_or_written_over_is_made_again_with_what_is_left() {
    let all = "all that it held";
    let pools = "the pools, but its history is lost";
    // What is written over it; whether the database was opened anew, so that its log holds nothing; what is left.
    let other = vec![b'x'; 500_000];
    let cases: [(&[u8], bool, &str, &str); 4] = [
        (b"", false, "lost its contents", all),
        (b"", true, "lost its contents", pools),
        (b"short", false, "lost its contents", all),
        (&other, false, "was overwritten with something else", pools),
    ];
    for (bytes, anew, how, left) in cases {
        let what = format!("{} bytes, opened anew: {anew}", bytes.len());
        let folder = Folder::new();
        let path = folder.0.join("m.db");
        let (mut connection, mut file) = filled(&path);
        if anew {
            drop((connection, file));
            (connection, file) = open(&path).unwrap();
        }
        assert_eq!(file.look_after(&mut connection), Ok(None), "{what}");
        let inode = fs::metadata(&path).unwrap().ino();
        fs::write(&path, bytes).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "in place");
        let told = file.look_after(&mut connection);
        let words =
            format!("{} {how} while it was in use; it was made again with {left}", path.display());
        assert_eq!(told, Ok(Some(words)), "{what}");
        has_pool_and_drain(&connection, &what);
        let runners = if left == all { 40 } else { 0 };
        assert_eq!(count(&connection, "finished_runners"), runners, "{what}");
        assert_eq!(file.look_after(&mut connection), Ok(None), "{what}: told once");
        // Nothing of the old log is written into it, neither now nor by the next start.
        connection.execute("INSERT INTO events VALUES (1, '{}')", []).unwrap();
        drop((connection, file));
        let (again, again_file) = open(&path).unwrap();
        assert_eq!(again_file.found, None, "{what}");
        has_pool_and_drain(&again, &what);
        assert_eq!(count(&again, "finished_runners"), runners, "{what}");
        let sound: String =
            again.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok", "{what}");
        assert!(!beside(&path, ".new").exists(), "{what}");
    }
}

#[test]
fn what_is_no_database_is_told_before_it_is_opened() {
    let folder = Folder::new();
    let path = folder.0.join("m.db");
    assert!(!is_something_else(&path), "it is made");
    drop(filled(&path));
    assert!(!is_something_else(&path));
    let long = "a text ".repeat(100);
    for (text, expected) in [("", false), ("short", true), (&long, true)] {
        let other = folder.0.join("other");
        fs::write(&other, text).unwrap();
        assert_eq!(is_something_else(&other), expected, "{text}");
        assert_eq!(open(&other).is_err(), expected, "{text}");
    }
}

#[test]
fn a_text_that_ends_in_zeros_is_not_whole() {
    let folder = Folder::new();
    let path = folder.0.join("m.db");
    let (connection, file) = filled(&path);
    let kept = Kept::of(&connection).unwrap();
    let whole = |name: &str| {
        let copy: PathBuf = folder.0.join(name);
        connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        kept.are_in_whole(&copy)
    };
    assert_eq!(whole("whole"), Ok(true));
    connection
        .execute("UPDATE finished_runners SET log = log || char(0, 0) WHERE created_at = 7", [])
        .unwrap();
    assert_eq!(whole("zeros"), Ok(false));
    connection.execute("UPDATE finished_runners SET log = NULL", []).unwrap();
    assert_eq!(whole("whole again"), Ok(true));
    connection.execute("DELETE FROM pools", []).unwrap();
    assert_eq!(whole("without its pool"), Ok(false));
    drop((connection, file));
}

#[test]
fn what_cannot_be_made_again_is_a_problem_until_it_can() {
    let folder = Folder::new();
    let path = folder.0.join("m.db");
    let (mut connection, mut file) = filled(&path);
    fs::create_dir(beside(&path, ".new")).unwrap();
    fs::write(&path, "").unwrap();
    for _ in 0..2 {
        let error = file.look_after(&mut connection).unwrap_err().to_string();
        let words = format!(
            "the database {} lost its contents while it was in use, and cannot be made again: ",
            path.display()
        );
        assert!(error.starts_with(&words), "{error}");
    }
    fs::remove_dir(beside(&path, ".new")).unwrap();
    assert!(file.look_after(&mut connection).unwrap().is_some());
    has_pool_and_drain(&connection, "later");
}

#[test]
fn a_copy_that_could_not_be_put_in_the_place_of_an_emptied_file_is_put_there_later() {
    let folder = Folder::new();
    let path = folder.0.join("m.db");
    let (mut connection, mut file) = filled(&path);
    fs::write(&path, "").unwrap();
    file.kept.as_ref().unwrap().write(&file.empty_copy().unwrap()).unwrap();
    file.copied = true;
    file.close(&mut connection).unwrap();
    let told = file.look_after(&mut connection).unwrap();
    assert_eq!(told, Some(format!("{} could be opened again", path.display())));
    has_pool_and_drain(&connection, "later");
}

#[test]
fn a_file_that_was_emptied_before_the_start_is_told() {
    let folder = Folder::new();
    let path = folder.0.join("m.db");
    fs::write(&path, "").unwrap();
    let (connection, file) = open(&path).unwrap();
    assert_eq!(file.found, None, "it was never used");
    drop((connection, file));
    fs::write(&path, "").unwrap();
    let (connection, file) = open(&path).unwrap();
    let found = file.found.clone().unwrap();
    assert!(found.contains("m.db was emptied after it was last used"), "{found}");
    drop((connection, file));
    // One that was made anew was meant to be.
    fs::remove_file(&path).unwrap();
    fs::write(folder.0.join("new"), "").unwrap();
    fs::rename(folder.0.join("new"), &path).unwrap();
    assert_eq!(open(&path).unwrap().1.found, None);
}
