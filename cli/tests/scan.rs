//! `mayfly scan`, as programs and people call it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;
#[path = "../../crates/service/tests/support/limit.rs"]
mod limit;

use in_time::InTime as _;
use limit::Limit;

const SELF_HOSTED: &str = "on: push\njobs:\n  build:\n    runs-on: [self-hosted, linux]\n";
const HOSTED: &str = "on: push\njobs:\n  lint:\n    runs-on: ubuntu-latest\n";
const BROKEN: &str = "jobs: [\n";

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scan-{test}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, file: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// `mayfly scan` within the folder.
    fn scan(&self, arguments: &[&str]) -> Output {
        self.scan_with(arguments, b"")
    }

    fn scan_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // It may end without reading all of it.
            scope.spawn(move || stdin.write_all(input).unwrap_or_default());
            child.output_in_time()
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command.current_dir(&self.0).arg("scan").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn table(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.scan(arguments).stdout).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `file job self_hosted` of every line.
fn told(output: &Output) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |line: Value| ["file", "job", "self_hosted"].map(|key| text(&line[key])).join(" ");
    lines(output).into_iter().map(line).collect()
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert_eq!(errors.is_empty(), code != 2, "{errors}");
    assert!(!errors.contains("panic"), "{errors}");
    if code == 2 {
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_line_of_json_has_these_keys_in_this_order() {
    let workflow = "on: push\njobs:\n  a:\n    strategy: {matrix: {os: [x, y]}}\n    runs-on: [self-hosted, '${{ matrix.os }}']\n  b:\n    runs-on: {group: big}\n  c:\n    uses: o/r/.github/workflows/w.yml@v1\n  d:\n    runs-on: '${{ inputs.on }}'\n";
    let folder = Folder::new("keys").with("w.yml", workflow).with("x.yml", BROKEN);
    let output = folder.scan(&["--json", "w.yml"]);
    ends_with(&output, 0);
    let expected = [
        r#"{"file":"w.yml","job":"a","kind":"job","labels":[["self-hosted","x"],["self-hosted","y"]],"group":null,"self_hosted":"yes","error":null}"#,
        r#"{"file":"w.yml","job":"b","kind":"job","labels":[[]],"group":"big","self_hosted":"unknown","error":null}"#,
        r#"{"file":"w.yml","job":"c","kind":"call","labels":[],"group":null,"self_hosted":"no","error":null}"#,
        r#"{"file":"w.yml","job":"d","kind":"job","labels":[],"group":null,"self_hosted":"unknown","error":null}"#,
    ];
    assert_eq!(std::str::from_utf8(&output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);

    let output = folder.scan(&["x.yml", "--json"]);
    ends_with(&output, 1);
    let mut line = lines(&output).remove(0);
    assert!(line["error"].take().as_str().is_some_and(|error| error.contains("YAML")));
    let nothing = json!({"file": "x.yml", "job": null, "kind": null, "labels": [], "group": null, "self_hosted": null, "error": null});
    assert_eq!(line.to_string(), nothing.to_string());
}

#[test]
fn one_file_that_does_not_parse_hides_no_other() {
    let folder = Folder::new("broken")
        .with("a.yml", SELF_HOSTED)
        .with("b.yml", BROKEN)
        .with("c.yml", "")
        .with("d.yml", "name: not a workflow\n")
        .with("e.yml", b"jobs: \xff\n")
        .with("f.yml", " ".repeat(2 << 20))
        .with("g.yml", HOSTED);
    let output = folder.scan(&["--json", "."]);
    ends_with(&output, 1);
    let found: Vec<_> =
        told(&output).iter().map(|line| line.trim_start_matches("./").to_owned()).collect();
    let expected = [
        "a.yml build yes",
        "b.yml - -",
        "c.yml - -",
        "d.yml - -",
        "e.yml - -",
        "f.yml - -",
        "g.yml lint no",
    ];
    assert_eq!(found, expected);
    let errors: Vec<_> = lines(&output)
        .iter()
        .filter_map(|line| line["error"].as_str().map(str::to_owned))
        .collect();
    let expected = ["YAML", "empty", "no jobs", "UTF-8", "larger"];
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(errors.len(), expected.len());
    let table = folder.table(&["."]);
    assert!(table.contains("error") && table.contains("not readable as YAML"), "{table}");
    assert!(table.ends_with("7 files, 2 jobs: 1 self-hosted, 0 unknown until run time, 1 not; 5 files do not parse\n"), "{table}");
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let folder = Folder::new("stdin").with("a.yml", HOSTED);
    let output = folder.scan_with(&["--json", "-"], SELF_HOSTED.as_bytes());
    ends_with(&output, 0);
    assert_eq!(told(&output), ["- build yes"]);
    let output = folder.scan_with(&["--json", "a.yml", "-", "-"], BROKEN.as_bytes());
    ends_with(&output, 1);
    assert_eq!(told(&output), ["a.yml lint no", "- - -"]);
    for wrong in [&b""[..], b"\xff\xfe", &vec![b' '; 3 << 20]] {
        ends_with(&folder.scan_with(&["-"], wrong), 1);
    }
}

#[test]
fn a_folder_stands_for_its_files_and_a_repository_for_its_workflows() {
    let folder = Folder::new("folder")
        .with("repo/.github/workflows/b.yaml", HOSTED)
        .with("repo/.github/workflows/a.yml", SELF_HOSTED)
        .with("repo/.github/workflows/readme.md", BROKEN)
        .with("repo/.github/workflows/below/c.yml", BROKEN)
        .with("repo/.github/dependabot.yml", BROKEN)
        .with("repo/compose.yml", BROKEN)
        .with("plain/z.yml", HOSTED)
        .with("plain/a/deep/er/y.YML", HOSTED)
        .with("plain/.git/x.yml", BROKEN)
        .with("plain/folder.yml/x.yml", HOSTED)
        .with("empty/readme.md", "");
    let workflows = |root: &str| {
        ["a.yml build yes", "b.yaml lint no"].map(|line| format!("{root}{line}")).to_vec()
    };
    for root in ["repo", "repo/.github", "repo/.github/workflows"] {
        let output = folder.scan(&["--json", root]);
        ends_with(&output, 0);
        assert_eq!(told(&output), workflows("repo/.github/workflows/"), "{root}");
    }
    let plain =
        ["plain/z.yml lint no", "plain/a/deep/er/y.YML lint no", "plain/folder.yml/x.yml lint no"];
    let output = folder.scan(&["--json", "plain", "plain/./z.yml"]);
    ends_with(&output, 0);
    assert_eq!(told(&output), plain);
    // Repositories within a folder count as such.
    let output = folder.scan(&["--json", "."]);
    ends_with(&output, 0);
    let all = plain.iter().map(|&line| line.to_owned()).chain(workflows("repo/.github/workflows/"));
    assert_eq!(told(&output), all.map(|line| format!("./{line}")).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_in_a_folder_is_told_and_never_waited_for() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new("links").with("f/a.yml", HOSTED);
    symlink("nowhere", folder.0.join("f/gone.yml")).unwrap();
    symlink("/dev/zero", folder.0.join("f/endless.yml")).unwrap();
    symlink("..", folder.0.join("f/round.yml")).unwrap();
    symlink("a.yml", folder.0.join("f/same.yml")).unwrap();
    let output = folder.scan(&["--json", "f"]);
    ends_with(&output, 1);
    let expected = ["f/a.yml lint no", "f/endless.yml - -", "f/gone.yml - -", "f/same.yml lint no"];
    assert_eq!(told(&output), expected);
    // Named by itself, it is read: but not to an end that never comes.
    ends_with(&folder.scan(&["/dev/zero"]), 1);
}

#[test]
fn paths_that_cannot_be_used_are_refused() {
    let folder = Folder::new("usage").with("empty/readme.md", "").with("a.yml", HOSTED);
    fs::create_dir_all(folder.0.join("bare/.github/workflows")).unwrap();
    for wrong in [
        &["nowhere"][..],
        &["a.yml", "nowhere.yml"],
        &["empty"],
        &["bare"],
        &[],
        &["--yaml", "a.yml"],
        &["a.yml/b.yml"],
    ] {
        ends_with(&folder.scan(wrong), 2);
    }
}

#[test]
fn calls_are_followed_within_the_repository() {
    let calls = |name: &str| format!("  to-{}:\n    uses: {name}\n", name.len());
    let local = |name: &str| calls(&format!("./.github/workflows/{name}"));
    let folder = Folder::new("calls")
        .with("r/.github/workflows/main.yml", format!("jobs:\n{}", local("deploy.yml")))
        .with("r/.github/workflows/deploy.yml", format!("jobs:\n{}", local("inner.yml")))
        .with("r/.github/workflows/inner.yml", SELF_HOSTED)
        .with("r/.github/workflows/round.yml", format!("jobs:\n{}", local("about.yml")))
        .with("r/.github/workflows/about.yml", format!("jobs:\n{}", local("round.yml")))
        .with(
            "r/.github/workflows/odd.yml",
            format!("jobs:\n{}{}", local("nowhere.yml"), local("../../odd/odd.yml")),
        )
        .with(
            "r/.github/workflows/far.yml",
            format!("jobs:\n{}", calls("o/r/.github/workflows/x.yml@v1")),
        )
        .with("lone.yml", format!("jobs:\n{}", local("inner.yml")));

    // The files called have lines of their own, the calls are answered by their own file alone.
    let file = "r/.github/workflows/main.yml";
    let output = folder.scan(&["--json", file]);
    ends_with(&output, 0);
    let expected = ["main.yml to-30 no", "deploy.yml to-29 no", "inner.yml build yes"];
    assert_eq!(told(&output), expected.map(|line| format!("r/.github/workflows/{line}")));
    // In a folder of workflows, the repository is found all the same.
    let mut command = folder.command(&["--json", "main.yml"]);
    let output = command.current_dir(folder.0.join("r/.github/workflows")).output_in_time();
    assert_eq!(told(&output), expected);

    let rows = [
        (file, "yes", "leads to build in inner.yml, which asks for the label self-hosted"),
        (
            "r/.github/workflows/round.yml",
            "unknown",
            "calls about.yml in a circle, which GitHub refuses",
        ),
        (
            "r/.github/workflows/odd.yml",
            "unknown",
            "calls a workflow that is not in .github/workflows",
        ),
        (
            "r/.github/workflows/far.yml",
            "unknown",
            "calls a workflow of another repository, which is not followed",
        ),
        (
            "lone.yml",
            "unknown",
            "calls a workflow of its repository, but is in no .github/workflows",
        ),
    ];
    for (file, answer, why) in rows {
        let table = folder.table(&[file]);
        let row = table.lines().find(|line| line.contains(" to-")).unwrap_or_default();
        assert!(row.contains(&format!(" {answer} ")) && row.contains(why), "{file}: {table}");
    }
    let table = folder.table(&["r"]);
    assert!(
        table.ends_with(
            "7 files, 1 job: 1 self-hosted, 0 unknown until run time, 0 not; 7 calls of workflows\n"
        ),
        "{table}"
    );
}

#[test]
fn every_call_of_a_file_is_followed() {
    let call = |name: &str| format!("  {name}:\n    uses: ./.github/workflows/{name}.yml\n");
    let main = format!("jobs:\n{}{}", call("test"), call("deploy"));
    let folder = Folder::new("every-call")
        .with(".github/workflows/main.yml", main)
        .with(".github/workflows/test.yml", HOSTED)
        .with(".github/workflows/deploy.yml", SELF_HOSTED);
    let output = folder.scan(&["--json", ".github/workflows/main.yml"]);
    ends_with(&output, 0);
    let expected =
        ["main.yml test no", "main.yml deploy no", "test.yml lint no", "deploy.yml build yes"];
    assert_eq!(told(&output), expected.map(|line| format!(".github/workflows/{line}")));
}

#[test]
fn the_table_is_plain_text_where_it_is_no_terminal() {
    let steering = "on: push\njobs:\n  \"a\\e[31m\\n\u{202e}b\":\n    runs-on: [self-hosted, \"x\\e]0;y\\az\"]\n";
    let folder = Folder::new("plain").with("w.yml", steering);
    let table = folder.table(&["w.yml"]);
    let expected = " job        runs on                self-hosted  why

w.yml
 a [31m  b  self-hosted, x ]0;y z  yes          asks for the label self-hosted

1 file, 1 job: 1 self-hosted, 0 unknown until run time, 0 not
";
    assert_eq!(table, expected);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    // Far more than a pipe holds.
    let jobs: Vec<_> =
        (0..5_000).map(|job| format!("  j{job}: {{runs-on: self-hosted}}")).collect();
    let folder = Folder::new("pipe").with("w.yml", format!("jobs:\n{}\n", jobs.join("\n")));
    for arguments in [&["w.yml"][..], &["w.yml", "--json"]] {
        let mut child = folder.command(arguments).spawn().unwrap();
        let _limit = Limit::of(child.id());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        // The pipe is closed now.
        ends_with(&child.output_in_time(), 0);
    }
}

#[test]
fn many_files_come_in_the_order_of_their_names() {
    let mut folder = Folder::new("many");
    for file in 0..300 {
        folder = folder
            .with(&format!("f/{file:03}.yml"), if file % 2 == 0 { SELF_HOSTED } else { HOSTED });
    }
    let output = folder.scan(&["--json", "f"]);
    ends_with(&output, 0);
    let job = |file| if file % 2 == 0 { "build yes" } else { "lint no" };
    let expected: Vec<_> = (0..300).map(|file| format!("f/{file:03}.yml {}", job(file))).collect();
    assert_eq!(told(&output), expected);
}

#[test]
fn a_table_tells_every_set_of_labels_up_to_eight_and_sums_up() {
    let sets =
        |count: usize| (1..=count).map(|set| format!("l{set}")).collect::<Vec<_>>().join(", ");
    let job = |name: &str, count: usize| {
        format!(
            "  {name}:\n    strategy: {{matrix: {{l: [{}]}}}}\n    runs-on: [self-hosted, '${{{{ matrix.l }}}}']\n",
            sets(count)
        )
    };
    let rest = "  g:\n    runs-on: {group: big, labels: x}\n  c:\n    uses: o/r/.github/workflows/w.yml@v1\n  h:\n    runs-on: ubuntu-latest\n";
    let workflow = format!("on: push\njobs:\n{}{}{rest}", job("eight", 8), job("nine", 9));
    let folder =
        Folder::new("sets").with("w.yml", workflow).with("x.yml", BROKEN).with("y.yml", HOSTED);
    let table = folder.table(&["w.yml"]);
    let runs_on: Vec<&str> = table
        .lines()
        .filter(|line| line.contains("self-hosted, l") || line.contains(" and "))
        .map(str::trim)
        .collect();
    let eight = ["l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8"];
    let rests = runs_on.iter().filter_map(|line| line.split_once("self-hosted, "));
    let labels: Vec<&str> = rests.filter_map(|(_, rest)| rest.split_whitespace().next()).collect();
    assert_eq!(labels, [eight, eight].concat(), "{table}");
    assert_eq!(table.matches(" and 1 more").count(), 1, "{table}");
    assert!(
        table.contains(" x ")
            && table.contains(" group big")
            && table.contains(" o/r/.github/workflows/w.yml@v1 "),
        "{table}"
    );
    let sum = |table: &str| table.lines().last().unwrap().to_owned();
    assert_eq!(
        sum(&table),
        "1 file, 4 jobs: 2 self-hosted, 1 unknown until run time, 1 not; 1 call of workflows"
    );
    assert_eq!(
        sum(&folder.table(&["x.yml", "y.yml"])),
        "2 files, 1 job: 0 self-hosted, 0 unknown until run time, 1 not; 1 file does not parse"
    );
}

#[test]
fn a_file_is_read_up_to_its_bound_and_what_is_wrong_is_told() {
    let padded =
        |bytes: usize| format!("{SELF_HOSTED}#{}", "x".repeat(bytes - SELF_HOSTED.len() - 1));
    let folder = Folder::new("bound")
        .with("most.yml", padded(1 << 20))
        .with("more.yml", padded((1 << 20) + 1))
        .with("odd.yml", b"jobs: \xff\n");
    let output = folder.scan(&["--json", "most.yml", "more.yml", "odd.yml"]);
    let errors: Vec<Value> = lines(&output).iter().map(|line| line["error"].clone()).collect();
    let expected = json!([
        null,
        "is larger than the 1048576 bytes that are read",
        "is not UTF-8 text: see byte 6"
    ]);
    assert_eq!(json!(errors), expected);
    for (path, why) in [
        ("nowhere", "nowhere: No such file or directory (os error 2)"),
        ("empty", "empty: there is no workflow file (*.yml, *.yaml) in it"),
    ] {
        fs::create_dir_all(folder.0.join("empty")).unwrap();
        let said = String::from_utf8(folder.scan(&[path]).stderr).unwrap();
        assert_eq!(said, format!("error: {why}\n"));
    }
}
