//! How the file is opened, and how it is opened again.

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
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
