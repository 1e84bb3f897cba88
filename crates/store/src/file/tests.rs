//! How the file is opened, and how it is opened again.

use std::os::unix::fs::symlink;

use super::*;

pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("mayfly-file-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn number(connection: &Connection, pragma: &str) -> i64 {
    connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_file_is_written_through_a_log_and_waited_for_when_another_process_has_it() {
    let folder = Folder::new();
    let (connection, _) = open(&folder.0.join("mayfly.db")).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    // 1: a commit survives the death of the process.
    let numbers = ["busy_timeout", "synchronous"].map(|name| number(&connection, name));
    assert_eq!((mode.as_str(), numbers), ("wal", [5_000, 1]));
}

#[test]
fn one_that_could_not_be_opened_again_is_opened_when_it_can_with_the_copy_in_its_place() {
    for copied in [false, true] {
        let folder = Folder::new();
        let path = folder.0.join("mayfly.db");
        let (mut connection, mut file) = open(&path).unwrap();
        connection.execute("INSERT INTO drain VALUES (1, 77)", []).unwrap();
        file.close(&mut connection).unwrap();
        if copied {
            fs::rename(&path, beside(&path, ".new")).unwrap();
        }
        let told = file.look_after(&mut connection).unwrap();
        assert_eq!(told, Some(format!("{} could be opened again", path.display())), "{copied}");
        let kept = |connection: &Connection| -> i64 {
            connection.query_row("SELECT since FROM drain", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(kept(&connection), 77, "{copied}");
        assert_eq!(file.look_after(&mut connection).unwrap(), None, "{copied}");
        assert!(!beside(&path, ".new").exists(), "{copied}");
        // The copy does not take the place of a file that is there.
        fs::write(beside(&path, ".new"), "an old copy").unwrap();
        file.close(&mut connection).unwrap();
        file.look_after(&mut connection).unwrap();
        assert_eq!(kept(&connection), 77, "{copied}");
    }
}

#[test]
fn what_was_mended_is_told_in_words() {
    let folder = Folder::new();
    let path = folder.0.join("mayfly.db");
    let (mut connection, mut file) = open(&path).unwrap();
    let write = |connection: &Connection| {
        connection.execute("INSERT OR REPLACE INTO drain VALUES (1, 77)", []).unwrap();
    };
    write(&connection);
    assert_eq!(file.look_after(&mut connection).unwrap(), None);
    let shown = path.display();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(beside(&path, suffix)).unwrap();
        let told = file.look_after(&mut connection).unwrap();
        let words = format!(
            "the write-ahead log of {shown} was deleted while it was in use; nothing is lost"
        );
        assert_eq!(told, Some(words), "{suffix}");
        write(&connection);
        assert_eq!(file.look_after(&mut connection).unwrap(), None, "{suffix}");
    }
    // What an attempt left that was cut short is in nobody's way.
    fs::write(beside(&path, ".new"), "half a copy").unwrap();
    fs::remove_file(&path).unwrap();
    let told = file.look_after(&mut connection).unwrap();
    let words =
        format!("{shown} was deleted while it was in use; it was made again with all that it held");
    assert_eq!(told, Some(words));
}

/// Another program's database, and a backup of `path` that knows nothing of what came later.
fn replacements(folder: &Path, connection: &Connection) -> [PathBuf; 2] {
    let [foreign, backup] = ["foreign.db", "backup.db"].map(|name| folder.join(name));
    let other = Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (5)").unwrap();
    connection.execute("INSERT INTO drain VALUES (1, 77)", []).unwrap();
    connection.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    connection.execute("UPDATE drain SET since = 88", []).unwrap();
    [foreign, backup]
}

/// What the next start finds at `path`, where `bytes` were put.
fn used_or_left(path: &Path, bytes: &[u8], foreign: bool, what: &str) {
    assert!(fs::read(path).unwrap() == bytes, "{what}: changed");
    match open(path) {
        Err(error) => assert_eq!((error, foreign), (StoreError::Foreign, true), "{what}"),
        Ok((connection, _file)) => {
            let since: i64 =
                connection.query_row("SELECT since FROM drain", [], |row| row.get(0)).unwrap();
            assert_eq!((since, foreign), (77, false), "{what}");
        }
    }
    assert!(!foreign || fs::read(path).unwrap() == bytes, "{what}: changed by the start");
}

#[test]
fn the_log_of_a_replaced_file_is_not_written_over_the_one_in_its_place() {
    for (foreign, looks) in [(true, 2), (true, 0), (false, 2), (false, 0)] {
        let what = format!("foreign {foreign}, looked at {looks} times");
        let folder = Folder::new();
        let path = folder.0.join("mayfly.db");
        let (mut connection, mut file) = open(&path).unwrap();
        let put = replacements(&folder.0, &connection)[usize::from(!foreign)].clone();
        // Where the old file goes: it is whole there, if there was time.
        let moved = folder.0.join("moved.db");
        fs::rename(&path, &moved).unwrap();
        let bytes = fs::read(&put).unwrap();
        fs::rename(&put, &path).unwrap();
        for _ in 0..looks {
            assert_eq!(file.look_after(&mut connection), Err(StoreError::Replaced), "{what}");
            // Nor what is written after that.
            connection.execute("UPDATE drain SET since = 99", []).unwrap();
            assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists(), "{what}");
        }
        drop((connection, file));
        assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists(), "{what}");
        used_or_left(&path, &bytes, foreign, &what);
        if looks > 0 {
            let (old, _file) = open(&moved).unwrap();
            let since: i64 =
                old.query_row("SELECT since FROM drain", [], |row| row.get(0)).unwrap();
            assert_eq!(since, 99, "{what}");
        }
    }
}

/// A database in a folder of its own, and the links to it: one to the file, and one to its folder.
fn linked(folder: &Path) -> (PathBuf, [PathBuf; 2]) {
    let real = folder.join("real");
    fs::create_dir(&real).unwrap();
    symlink("real/mayfly.db", folder.join("link.db")).unwrap();
    symlink("real", folder.join("way")).unwrap();
    let path = real.canonicalize().unwrap().join("mayfly.db");
    drop(open(&path).unwrap());
    (path, [folder.join("link.db"), folder.join("way/mayfly.db")])
}

fn drained(connection: &Connection) -> i64 {
    connection.query_row("SELECT since FROM drain", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_link_to_the_file_that_is_deleted_is_made_again() {
    let folder = Folder::new();
    let (path, [link, _]) = linked(&folder.0);
    let (mut connection, mut file) = open(&link).unwrap();
    assert_eq!(file.look_after(&mut connection), Ok(None));
    fs::remove_file(&link).unwrap();
    let told = file.look_after(&mut connection).unwrap();
    let words = format!(
        "the link {} to {} was deleted while it was in use; it was made again",
        link.display(),
        path.display()
    );
    assert_eq!(told, Some(words));
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("real/mayfly.db"));
    assert_eq!(file.look_after(&mut connection), Ok(None), "told once");
    connection.execute("INSERT INTO drain VALUES (1, 77)", []).unwrap();
    // The file behind it is looked after as any other, whichever way it was opened.
    for name in [&link, &folder.0.join("way/mayfly.db")] {
        drop((connection, file));
        (connection, file) = open(name).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(file.look_after(&mut connection).unwrap().unwrap().contains("with all"));
        assert_eq!(file.look_after(&mut connection), Ok(None));
        assert_eq!(drained(&connection), 77);
    }
    // Where it cannot be made again, that is told.
    drop((connection, file));
    (connection, file) = open(&link).unwrap();
    fs::remove_file(&link).unwrap();
    fs::rename(&folder.0, folder.0.with_extension("moved")).unwrap();
    assert!(file.look_after(&mut connection).is_err());
    fs::rename(folder.0.with_extension("moved"), &folder.0).unwrap();
    assert!(file.look_after(&mut connection).unwrap().is_some());
}

#[test]
fn a_link_that_leads_elsewhere_is_a_problem_until_it_leads_back() {
    let folder = Folder::new();
    let (path, [link, way]) = linked(&folder.0);
    let [other, none] = ["other", "none"].map(|name| folder.0.join(name));
    fs::create_dir(&other).unwrap();
    fs::create_dir(&none).unwrap();
    drop(open(&other.join("mayfly.db")).unwrap());
    // What is opened, the link, and where it leads from then on; none for a file in its place.
    let rows = [
        (&link, &link, Some("other/mayfly.db")),
        (&link, &link, Some("none/mayfly.db")),
        (&link, &link, None),
        (&way, &folder.0.join("way"), Some("other")),
        (&way, &folder.0.join("way"), Some("none")),
    ];
    for (name, link, leads) in rows {
        let (mut connection, mut file) = open(name).unwrap();
        connection.execute("INSERT OR REPLACE INTO drain VALUES (1, 77)", []).unwrap();
        let before = fs::read_link(link).unwrap();
        fs::remove_file(link).unwrap();
        match leads {
            Some(target) => symlink(target, link).unwrap(),
            None => fs::write(link, "").unwrap(),
        }
        for _ in 0..2 {
            let error = file.look_after(&mut connection).unwrap_err().to_string();
            let words =
                format!("{} led to the database {} and does not", name.display(), path.display());
            assert!(error.starts_with(&words), "{leads:?}: {error}");
        }
        assert!(!none.join("mayfly.db").exists(), "nothing is put there");
        fs::remove_file(link).unwrap();
        symlink(before, link).unwrap();
        assert_eq!(file.look_after(&mut connection), Ok(None), "{leads:?}");
        drop((connection, file));
        let (connection, _file) = open(name).unwrap();
        assert_eq!(drained(&connection), 77, "{leads:?}");
    }
}

#[test]
fn a_log_that_came_with_the_file_in_its_place_stays() {
    let folder = Folder::new();
    let path = folder.0.join("mayfly.db");
    let (mut connection, mut file) = open(&path).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let new = folder.0.join("new");
        fs::write(&new, format!("new{suffix}")).unwrap();
        fs::rename(&new, beside(&path, suffix)).unwrap();
    }
    assert_eq!(file.look_after(&mut connection), Err(StoreError::Replaced));
    drop((connection, file));
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(fs::read_to_string(beside(&path, suffix)).unwrap(), format!("new{suffix}"));
    }
}
