//! Whole files in, answers out; and files made to hurt.

mod limits;

use proptest::prelude::*;

use super::limits::{MAX_FILE_BYTES, MAX_WORK, Work};
use super::{Answer, JobKind, JobNeeds, ScanError, scan, scan_within};
use Answer::{No, Unknown, Yes};

/// The one job of a file, from the lines below its id.
fn job(lines: &str) -> JobNeeds {
    let lines = joined(lines.lines().map(|line| format!("    {line}\n")));
    let text = format!("on: push\njobs:\n  only:\n{lines}");
    let mut jobs = scan(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().concat()
}

/// The label sets as one text: `a b | c`.
fn shown(job: &JobNeeds) -> String {
    job.labels.iter().map(|set| set.join(" ")).collect::<Vec<_>>().join(" | ")
}

fn check(cases: &[(&str, Answer, &str)]) {
    for (lines, answer, labels) in cases {
        let job = job(lines);
        assert_eq!((job.self_hosted, &*shown(&job)), (*answer, *labels), "{lines}\n{}", job.why);
    }
}

#[test]
fn literal_labels_are_taken_as_written() {
    check(&[
        ("runs-on: ubuntu-latest", No, "ubuntu-latest"),
        ("runs-on: Self-Hosted", Yes, "Self-Hosted"),
        ("runs-on: 'self-hosted'", Yes, "self-hosted"),
        ("runs-on: [self-hosted, Linux, gpu]", Yes, "self-hosted Linux gpu"),
        ("runs-on:\n- linux\n- self-hosted", Yes, "linux self-hosted"),
        ("runs-on: {labels: [self-hosted, x]}", Yes, "self-hosted x"),
        ("runs-on: {group: big, labels: self-hosted}", Yes, "self-hosted"),
        ("runs-on: my-scale-set", No, "my-scale-set"),
        ("runs-on: self-hosted-linux", No, "self-hosted-linux"),
        ("runs-on: self-hosted, linux", No, "self-hosted, linux"),
        ("runs-on: [10.10, 24, on, true]", No, "10.1 24 on true"),
        ("runs-on: [x, '', null]", No, "x"),
        ("runs-on: &l [self-hosted, a]\nenv: {x: *l}", Yes, "self-hosted a"),
        ("runs-on: ${{ 'self-hosted' }}", Yes, "self-hosted"),
        ("runs-on: ${{ fromJSON('[\"self-hosted\", \"a\"]') }}", Yes, "self-hosted a"),
        ("runs-on: ['a', \"${{ fromJSON('[''self-hosted'', ''b'']') }}\"]", Yes, "a self-hosted b"),
        ("if: false\nruns-on: self-hosted", Yes, "self-hosted"),
        ("runs-on:", No, ""),
        ("steps: []", No, ""),
    ]);
}

#[test]
fn a_group_is_named_and_may_have_self_hosted_runners() {
    let cases = [
        ("runs-on: {group: big}", Unknown, Some("big")),
        ("runs-on: {group: big, labels: [a]}", Unknown, Some("big")),
        ("runs-on: {group: big, labels: ubuntu-latest}", Unknown, Some("big")),
        ("runs-on: {group: big, labels: self-hosted}", Yes, Some("big")),
        ("runs-on: {group: '${{ inputs.g }}'}", Unknown, Some("${{ inputs.g }}")),
        ("runs-on: {group: '', labels: ubuntu-latest}", No, Some("")),
        (
            "runs-on: ${{ matrix.on }}\nstrategy: {matrix: {on: [{group: big}, {group: other}]}}",
            Unknown,
            Some("big"),
        ),
        (
            "runs-on: ${{ matrix.on }}\nstrategy: {matrix: {on: [{group: g, labels: self-hosted}]}}",
            Yes,
            Some("g"),
        ),
        ("runs-on: {group: big, labels: '${{ inputs.l }}'}", Unknown, Some("big")),
        ("runs-on: [a]", No, None),
    ];
    for (lines, answer, group) in cases {
        let job = job(lines);
        assert_eq!((job.self_hosted, job.group.as_deref()), (answer, group), "{lines}");
    }
}

#[test]
fn a_matrix_is_expanded_as_github_does() {
    let with =
        |matrix: &str| format!("runs-on: ${{{{ matrix.os }}}}\nstrategy:\n  matrix:\n{matrix}");
    let cases = [
        ("    os: [a, B, a, A]", No, "a | B"),
        ("    os: [ubuntu-latest, self-hosted]", Yes, "ubuntu-latest | self-hosted"),
        ("    os: [ubuntu-latest, [self-hosted, x]]", Yes, "ubuntu-latest | self-hosted x"),
        ("    os: [a, self-hosted]\n    exclude: [{os: Self-Hosted}]", No, "a"),
        (
            "    os: [a, self-hosted]\n    v: [1, 2]\n    exclude: [{os: self-hosted, v: 1}]",
            Yes,
            "a | self-hosted",
        ),
        (
            "    os: [a, b]\n    v: [{n: 1, m: 2}, {n: 3}]\n    exclude: [{os: b, v: {n: '1'}}, {os: b, v: {n: 3}}]",
            No,
            "a",
        ),
        ("    os: [a, b]\n    exclude: [{os: a}, {os: b}]", No, ""),
        ("    os: []", No, ""),
        ("    include: [{os: a}, {os: self-hosted}, {v: 1}]", Yes, "a | self-hosted | "),
        ("    os: [a]\n    include: [{os: self-hosted}]", Yes, "a | self-hosted"),
        ("    os: [a]\n    include: [{OS: A, x: 1}]", No, "a"),
        ("    v: [1, 2]\n    include: [{os: a}, {v: 2, os: self-hosted}]", Yes, "a | self-hosted"),
        ("    v: [1, 2]\n    include: [{v: 3, os: b}, {v: 1, os: c}, {os: a}]", No, "a | b"),
        ("    v: [1]\n    include: [{v: 1, os: a}, {v: 2, os: b}]", No, "a | b"),
        ("    os: ${{ fromJSON('[\"a\", \"self-hosted\"]') }}", Yes, "a | self-hosted"),
        ("    os: [a, \"${{ fromJSON('[1, 2]') }}\"]", No, "a | 1 | 2"),
    ];
    for (matrix, answer, labels) in cases {
        check(&[(&with(matrix), answer, labels)]);
    }
    check(&[
        (
            "runs-on: ${{ matrix.os }}-${{ matrix.v }}\nstrategy: {matrix: {os: [a], v: [1.0, 22.04]}}",
            No,
            "a-1 | a-22.04",
        ),
        ("runs-on: ${{ matrix.os }}", No, ""),
        (
            "runs-on: ['${{ matrix.a && ''self-hosted'' || ''b'' }}']\nstrategy: {matrix: {a: [true, false]}}",
            Yes,
            "self-hosted | b",
        ),
        ("runs-on: self-hosted\nstrategy: {matrix: {os: []}}", Yes, "self-hosted"),
        (
            "runs-on: ${{ matrix.os }}\nstrategy: \"${{ fromJSON('{\"\"matrix\"\": [1]}') }}\""
                .replace("\"\"", "\\\"")
                .as_str(),
            Unknown,
            "",
        ),
    ]);
}

#[test]
fn what_only_run_time_can_tell_is_unknown_unless_no_way_leads_to_a_self_hosted_runner() {
    check(&[
        ("runs-on: ${{ inputs.runner }}", Unknown, ""),
        ("runs-on: ${{ vars.RUNNER || 'ubuntu-latest' }}", Unknown, ""),
        ("runs-on: [linux, '${{ inputs.runner }}']", Unknown, ""),
        ("runs-on: [self-hosted, '${{ inputs.runner }}']", Yes, ""),
        ("runs-on: ${{ github.ref == 'x' && 'self-hosted' || 'ubuntu-latest' }}", Unknown, ""),
        ("runs-on: ${{ 3 >= 2 && 'self-hosted' || 'x' }}", Yes, "self-hosted"),
        ("runs-on: ${{ 2 >= 3 && 'self-hosted' || 'x' }}", No, "x"),
        ("runs-on: ${{ 2 <= 3 && 'self-hosted' || 'x' }}", Yes, "self-hosted"),
        ("runs-on: ${{ 3 <= 2 && 'self-hosted' || 'x' }}", No, "x"),
        ("runs-on: ${{ github.ref == 'x' && 'macos-15' || 'ubuntu-latest' }}", No, ""),
        ("runs-on: ${{ github.ref == 'x' && 'gpu' || 'ubuntu-latest' }}", Unknown, ""),
        ("runs-on: ${{ github.ref && 'self-hosted' || 'SELF-HOSTED' }}", Yes, ""),
        ("runs-on: prefix-${{ github.run_id }}", Unknown, ""),
        ("runs-on: ${{ fromJSON('[\"ubuntu-latest\", \"self-hosted\"]')[inputs.n] }}", Unknown, ""),
        ("runs-on: ${{ no expression }}", Unknown, ""),
        ("runs-on: ${{ unclosed", Unknown, ""),
        ("<<: {runs-on: self-hosted}", Unknown, ""),
        ("runs-on: {<<: {labels: self-hosted}}", Unknown, ""),
        ("runs-on: {'${{ insert }}': '${{ inputs.x }}', group: g}", Unknown, ""),
        ("${{ insert }}: ${{ inputs.job }}", Unknown, ""),
    ]);
}

#[test]
fn a_matrix_that_run_time_completes_keeps_what_is_certain() {
    let with =
        |matrix: &str| format!("runs-on: ${{{{ matrix.os }}}}\nstrategy:\n  matrix:\n{matrix}");
    let cases = [
        ("    ${{ fromJSON(inputs.m) }}", Unknown),
        ("    os: ${{ fromJSON(inputs.m) }}", Unknown),
        ("    os: [ubuntu-latest, '${{ inputs.os }}']", Unknown),
        ("    os: [self-hosted, '${{ inputs.os }}']", Yes),
        ("    os: [a, b]\n    v: ${{ fromJSON(inputs.v) }}", No),
        ("    os: [a, self-hosted]\n    v: ${{ fromJSON(inputs.v) }}", Yes),
        ("    os: [a, self-hosted]\n    exclude: ${{ fromJSON(inputs.x) }}", Unknown),
        ("    os: [a, b]\n    exclude: ${{ fromJSON(inputs.x) }}", No),
        ("    os: [a, self-hosted]\n    exclude: [{os: '${{ inputs.x }}'}]", Unknown),
        ("    os: [a, b]\n    include: ${{ fromJSON(inputs.x) }}", Unknown),
        ("    v: [1]\n    include: ${{ fromJSON(inputs.x) }}", Unknown),
        ("    include: [{os: a}, {os: b, v: '${{ inputs.v }}'}]", No),
        ("    v: [1, 2]\n    include: [{os: a}, {v: '${{ inputs.v }}', os: self-hosted}]", Unknown),
        ("    os: [[self-hosted, '${{ inputs.x }}']]", Unknown),
        ("    os: ['id-${{ github.run_id }}']", Unknown),
    ];
    for (matrix, answer) in cases {
        let job = job(&with(matrix));
        assert_eq!(job.self_hosted, answer, "{matrix}\n{}", job.why);
    }
}

#[test]
fn the_reason_is_said_in_a_phrase() {
    let (long, longer) = ("x".repeat(80), "x".repeat(81));
    let (whole, cut) = (
        format!("asks for {long}, not for self-hosted"),
        format!("asks for {long}…, not for self-hosted"),
    );
    let (long, longer) = (format!("runs-on: {long}"), format!("runs-on: {longer}"));
    let os = |list: &str| {
        format!("runs-on: ${{{{ matrix.os }}}}\nstrategy: {{matrix: {{os: [{list}]}}}}")
    };
    for (lines, why) in [
        ("runs-on: self-hosted", "asks for the label self-hosted"),
        (&*os("a, self-hosted, self-hosted"), "asks for the label self-hosted in 2 of 3 legs"),
        (&*os("self-hosted, [self-hosted, x]"), "asks for the label self-hosted"),
        ("runs-on: [x, y]", "asks for x, y, not for self-hosted"),
        ("runs-on: 'x \t  y'", "asks for x y, not for self-hosted"),
        (&*long, &*whole),
        (&*longer, &*cut),
        (&*os("a, b"), "no leg asks for the label self-hosted"),
        (&*os(""), "its matrix has no legs"),
        ("runs-on:", "asks for no label"),
        (
            "runs-on: ${{ github.ref == 'x' && 'macos-15' || 'ubuntu-latest' }}",
            "can only ask for images that GitHub hosts",
        ),
        ("runs-on: {group: big}", "asks for the group big, which may have self-hosted runners"),
        ("runs-on: [a, '${{ inputs.r }}']", "only run time decides ${{ inputs.r }}"),
        ("runs-on: {<<: {labels: a}}", "only run time decides what it asks for"),
        ("<<: {runs-on: a}", "inserts entries that are not followed"),
        ("steps: []", "has no runs-on"),
        ("uses: ./x.yml", "calls another workflow"),
    ] {
        assert_eq!(job(lines).why, why, "{lines}");
    }
    let odd = scan("jobs: {a: 1, b: {runs-on: x}}").unwrap();
    let expected = JobNeeds {
        id: "a".to_owned(),
        kind: JobKind::Job,
        labels: Vec::new(),
        group: None,
        self_hosted: No,
        why: "is not a job that GitHub would run".to_owned(),
    };
    assert_eq!((&odd[0], &*odd[1].id, &odd[1].kind), (&expected, "b", &JobKind::Job));
}

#[test]
fn a_call_of_a_workflow_is_told_apart() {
    for (uses, local) in
        [("./.github/workflows/x.yml", true), ("o/r/.github/workflows/x.yml@v1", false)]
    {
        let job = job(&format!("uses: {uses}\nwith: {{runner: self-hosted}}"));
        assert_eq!((job.self_hosted, job.labels.len()), (No, 0));
        assert_eq!(job.kind, JobKind::Call { uses: uses.into(), local });
    }
}

#[test]
fn the_shape_of_the_text_does_not_matter() {
    let plain = "on: push\njobs:\n  a:\n    runs-on: self-hosted\n";
    let same = [
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{plain}"),
        format!("---\n# comment\n{plain}..."),
        plain.replace(": self", ":\tself"),
        "{\"on\": \"push\", \"jobs\": {\"a\": {\"runs-on\": [\"self-hosted\"]}}}".into(),
        "jobs: {a: {runs-on: self-hosted}}".into(),
        format!("{plain}    if: \"a &&\n    b &&\nc\"\n    name: 'd\n    e'\n"),
        plain.replace("self-hosted", "\"${{\n'self-hosted'\n}}\""),
        plain.replace("self-hosted", "[\nself-hosted\n]"),
    ];
    for text in same {
        let jobs = scan(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!((jobs[0].self_hosted, shown(&jobs[0])), (Yes, "self-hosted".into()), "{text}");
    }
}

#[test]
fn what_is_no_workflow_is_an_error_with_its_place() {
    let yaml = [
        ("jobs:\n\ta:\n", "line 2"),
        ("jobs:\n  a:\n    runs-on: [x\n  b: y\n", "line 4"),
        ("jobs:\n  a: {}\n  a: {}\n", "line 3"),
        ("jobs: {}\n---\njobs: {}\n", "line 3"),
        ("jobs: {a: *b}", "line 1"),
        ("jobs: &j {a: *j}", "line 1"),
        ("jobs:\n  a:\n    runs-on: @x", "line 3"),
    ];
    for (text, place) in yaml {
        let error = scan(text).unwrap_err();
        assert!(matches!(&error, ScanError::Yaml(why) if why.contains(place)), "{text}\n{error}");
    }
    for text in ["", "\n \n", "# nothing\n", "---\n", "~"] {
        assert_eq!(scan(text), Err(ScanError::Empty), "{text:?}");
    }
    for text in ["on: push", "jobs:", "jobs: {}", "jobs: [a]", "jobs: a", "- a", "a", "1"] {
        assert_eq!(scan(text), Err(ScanError::NoJobs), "{text}");
    }
}

#[test]
fn a_bomb_is_refused_not_followed() {
    let laughs = joined((1..40).map(|level| {
        let below = format!("*a{}, ", level - 1).repeat(10);
        format!("a{level}: &a{level} [{below}]\n")
    }));
    let long = "x".repeat(500_000);
    let bombs = [
        format!("a0: &a0 [x, x, x, x]\n{laughs}"),
        format!("l: &l \"{long}\"\nm: [{}]\n", "*l, ".repeat(900)),
        format!("l: &l x\nm: [{}]\n", "*l, ".repeat(5_000)),
        "[".repeat(200_000),
        "{a: ".repeat(100_000),
        "- ".repeat(10_000),
        joined((0..150).map(|depth| format!("{}a:\n", " ".repeat(depth)))),
        format!("jobs: [{}]", "1,".repeat(300_000)),
    ];
    for bomb in bombs {
        let start: String = bomb.chars().take(60).collect();
        assert!(matches!(scan(&bomb), Err(ScanError::Yaml(_))), "{start}");
    }
    let huge = format!("jobs: {{a: {{runs-on: x}}}}\n#{}", " ".repeat(MAX_FILE_BYTES));
    assert!(matches!(scan(&huge), Err(ScanError::TooLarge { .. })));
}

#[test]
fn expansion_stays_within_the_allowance_and_doubt_ends_in_unknown() {
    let list = |count: usize| joined((0..count).map(|n| format!("v{n}, ")));
    let lists = |count: usize, items: usize| {
        joined((0..count).map(|n| format!("k{n}: [{}], ", list(items))))
    };
    let job = |id: usize, runs_on: &str, matrix: &str| {
        format!("  j{id}:\n    runs-on: \"{runs_on}\"\n    strategy: {{matrix: {{{matrix}}}}}\n")
    };
    let include = joined((0..4_000).map(|n| format!("{{k0: v1, x{n}: y}}, ")));
    let long = "x".repeat(200_000);
    let never = "'' || ".repeat(3_000);
    let spend = |jobs: String, expected: Answer| {
        let work = Work::new(MAX_WORK);
        let jobs = scan_within(&format!("jobs:\n{jobs}"), &work).unwrap();
        let final_job = jobs.last().unwrap();
        assert_eq!(final_job.self_hosted, expected, "{} {}", final_job.id, final_job.why);
        MAX_WORK - work.left()
    };
    spend(job(0, "${{ matrix.k0 }}", &lists(30, 30)), Unknown);
    spend(job(0, "${{ matrix.k0 }}", &lists(2_000, 2)), Unknown);
    spend(job(0, "${{ matrix.x1 }}", &format!("{}include: [{include}]", lists(4, 8))), Unknown);
    spend(job(0, &format!("${{{{ matrix.k0 }}}}{long}"), &lists(4, 8)), Unknown);
    spend(job(0, &format!("${{{{ {never} matrix.k0 }}}}"), &lists(4, 8)), Unknown);
    spend(joined((0..100).map(|id| job(id, "${{ matrix.k0 }}", &lists(12, 2)))), Unknown);
    let many = format!("    runs-on: ['${{{{ matrix.k0 }}}}', {}]\n", list(20_000));
    spend(format!("  j:\n    strategy: {{matrix: {{{}}}}}\n{many}", lists(12, 2)), Unknown);
    let ordinary = spend(job(0, "${{ matrix.k0 }}-${{ matrix.k1 }}", &lists(2, 5)), No);
    assert!(ordinary < 2_000, "{ordinary} steps");
    let literal = "  z: {runs-on: [self-hosted, a]}\n";
    spend(format!("{}{literal}", job(0, "${{ matrix.k0 }}", &lists(2_000, 2))), Yes);
    // Whatever the allowance, an answer only ever fades to unknown.
    let text = format!("jobs:\n{}", job(0, "${{ matrix.os }}", "os: [a, self-hosted], v: [1, 2]"));
    for steps in 0..200 {
        let answer = scan_within(&text, &Work::new(steps)).unwrap()[0].self_hosted;
        assert_ne!(answer, No, "{steps} steps");
    }
}

/// A file that uses everything, to be damaged.
const RICH: &str = "on: [push]
jobs:
  a: &a
    strategy:
      matrix:
        os: [ubuntu-latest, [self-hosted, x], \"${{ inputs.os }}\"]
        v: ['1', 2.0, {n: null}]
        include: [{os: gpu, v: 3}, {x: 1}]
        exclude: [{v: 2}]
    runs-on: ${{ matrix.os || fromJSON('[\"a\", ''b'', {c: [1]}]')[matrix.v].*.c || format('{0}-{1}', 1, github.x) }}
  b: {runs-on: {group: g, labels: ['${{ case(contains(matrix.v, 1), join(matrix.os), !true) }}', \"y\\n\"]}}
  c: *a
  d:
    uses: ./x.yml
";

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,300}") {
        let _ = scan(&text);
    }

    #[test]
    fn no_runs_on_makes_it_panic(text in "[-a-z0-9'\"\\[\\](){}.,*!&|=<>$ \n]{0,120}") {
        let _ = scan(&format!("jobs:\n  a:\n    runs-on: ${{{{ {text} }}}}\n    strategy: {{matrix: {text}}}\n"));
        let _ = scan(&format!("jobs:\n  a:\n    runs-on: |\n      ${{{{{} }}}}\n", text.replace('\n', " ")));
    }

    #[test]
    fn no_damage_makes_it_panic(
        cuts in prop::collection::vec((0..RICH.len(), 0..12_usize, "[-a-z'\"\\[\\](){}.,*!&|=$: \n\t]{0,6}"), 1..6),
    ) {
        let mut bytes = RICH.as_bytes().to_vec();
        for (at, length, insert) in cuts {
            let at = at.min(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, insert.into_bytes());
        }
        let _ = scan(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_self_hosted_label_is_never_answered_with_no(
        before in prop::collection::vec("[a-z]{1,5}|\\$\\{\\{ inputs\\.[a-z] \\}\\}", 0..4),
        after in prop::collection::vec("[a-z]{1,5}|\\$\\{\\{ matrix\\.[a-z] \\}\\}", 0..4),
    ) {
        let labels = [before, vec!["Self-Hosted".into()], after].concat();
        let labels: Vec<_> = labels.iter().map(|label| format!("\"{label}\"")).collect();
        let list = labels.join(", ");
        let direct = scan(&format!("jobs: {{a: {{runs-on: [{list}]}}}}")).unwrap();
        prop_assert_eq!(direct[0].self_hosted, Yes);
        let matrix = format!("jobs:\n  a:\n    strategy: {{matrix: {{o: [{list}]}}}}\n    runs-on: ${{{{ matrix.o }}}}");
        prop_assert_eq!(scan(&matrix).unwrap()[0].self_hosted, Yes);
    }
}
