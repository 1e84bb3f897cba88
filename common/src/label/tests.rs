use super::*;

#[test]
fn a_runner_takes_a_job_whose_labels_it_has_all() {
    let runner = LabelSet::requested(["self-hosted", "Linux", "X64", "gpu"]);
    let cases: [(&[&str], bool); 5] = [
        (&["self-hosted"], true),
        (&["SELF-HOSTED", "linux", "x64"], true),
        (&["self-hosted", "arm64"], false),
        (&["ubuntu-latest"], false),
        (&[], true),
    ];
    for (job, fits) in cases {
        assert_eq!(runner.covers(&LabelSet::requested(job)), fits, "{job:?}");
    }
    let wanted = LabelSet::requested(["self-hosted", "arm64"]);
    assert_eq!(runner.missing(&wanted), [&Label::requested("arm64")]);
}

#[test]
fn a_pool_may_offer_what_github_takes() {
    let long = ["x".repeat(257), "ä".repeat(257)];
    for bad in [
        "",
        " ",
        "a\tb",
        "a\nb",
        "a\u{7f}",
        "a\u{202e}b",
        "a\u{fffd}",
        &long[0],
        &long[1],
        "gp\u{200d}u",
        "\u{200c}\u{646}",
        "\u{646}\u{200d}",
        "\u{646}\u{200d}\u{200d}\u{646}",
        "\u{646}\u{200b}\u{646}",
    ] {
        assert_eq!(Label::parse(bad), Err(InvalidLabel), "{bad:?}");
    }
    let rows = [
        ("GPU-a100.x:1", "gpu-a100.x:1"),
        ("runner=2cpu-linux-x64", "runner=2cpu-linux-x64"),
        ("Amazon Linux 2", "amazon linux 2"),
        (" gpu\r", "gpu"),
        ("a,b", "a,b"),
        ("Größe XL", "größe xl"),
        ("機器", "機器"),
        ("{x}", "{x}"),
        // Persian and an emoji, which need what joins letters or keeps them apart.
        (
            "\u{646}\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}",
            "\u{646}\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}",
        ),
        ("\u{1f468}\u{200d}\u{1f4bb}", "\u{1f468}\u{200d}\u{1f4bb}"),
    ];
    for (text, label) in rows {
        let found = Label::parse(text).map(|found| found.as_str().to_owned());
        assert_eq!(found, Ok(label.to_owned()));
        assert!(LabelSet::requested([text]).contains(label), "a job asks for the same");
    }
    for good in ["x".repeat(256), "ä".repeat(256)] {
        assert!(Label::parse(&good).is_ok());
    }
}

#[test]
fn an_empty_label_asks_for_nothing() {
    assert_eq!(LabelSet::requested(["", "A", "  "]), LabelSet::requested(["a"]));
    assert!(LabelSet::requested([""]).is_empty());
}

#[test]
fn the_labels_of_one_job_are_few_kilobytes_and_no_runner_has_what_was_cut_off() {
    let many: Vec<String> =
        (0..100).map(|number| format!("{number}{}", "機".repeat(250))).collect();
    let asked = LabelSet::requested(&many);
    let bytes: usize = asked.iter().map(|label| label.as_str().len()).sum();
    assert!(bytes <= MAX_BYTES + 8, "{bytes}");
    let offered: LabelSet = many.iter().map(|label| Label::parse(label).unwrap()).collect();
    assert!(!offered.covers(&asked));
    assert_eq!(LabelSet::requested(asked.to_strings()), asked, "what passed once passes unchanged");
}

#[test]
fn a_job_keeps_one_label_more_than_any_runner_has() {
    let labels = |count| LabelSet::requested((0..count).map(|number| format!("{number:03}")));
    assert_eq!((labels(100).len(), labels(101).len(), labels(150).len()), (100, 101, 101));
    let texts = |length: usize| ["x".repeat(length)];
    assert_eq!(Label::requested(&texts(256)[0]).as_str(), "x".repeat(256));
    assert_eq!(Label::requested(&texts(257)[0]).as_str(), "x".repeat(257));
    assert_eq!(Label::requested(&texts(258)[0]).as_str(), format!("{}…", "x".repeat(256)));
    // 8 KiB in all: 32 labels of 256 bytes, and a sign that there were more.
    let long: Vec<String> = (0..33).map(|number| format!("{number:0256}")).collect();
    assert_eq!(LabelSet::requested(&long[..32]).len(), 32);
    let more = LabelSet::requested(&long);
    assert_eq!((more.len(), more.contains("(too many labels)")), (33, true));
    assert!(
        more.are_too_many()
            && labels(101).are_too_many()
            && !labels(100).are_too_many()
            && !LabelSet::requested(&long[..32]).are_too_many()
    );
    assert_eq!(Label::parse("(Too many labels)"), Err(InvalidLabel), "no runner has it");
    assert_eq!(LabelSet::requested(more.to_strings()), more, "also from the database");
    assert_eq!((MAX_LABELS, MAX_LABEL_LENGTH), (100, 256));
}

#[test]
fn labels_are_shown_in_order_and_joined_by_commas() {
    let set = LabelSet::requested(["Gpu", "a,b", "x64"]);
    assert_eq!(
        (set.to_string(), format!("{set:?}")),
        ("a,b,gpu,x64".into(), "[a,b,gpu,x64]".into())
    );
    assert_eq!(set.to_strings(), ["a,b", "gpu", "x64"]);
    assert_eq!(set.iter().map(Label::as_str).collect::<Vec<_>>(), ["a,b", "gpu", "x64"]);
    assert_eq!(set.with_comma().map(ToString::to_string), Some("a,b".to_owned()));
    assert!(set.contains("GPU") && !set.contains("gp") && !set.is_empty());
    assert_eq!(LabelSet::requested(["a", "b"]).with_comma(), None);
    let wanted = LabelSet::requested(["z", "GPU", "b"]);
    assert_eq!(set.missing(&wanted), [&Label::requested("b"), &Label::requested("z")]);
    assert_eq!(format!("{:?}", Label::requested("Gpu")), "label:gpu");
    assert_eq!(serde_json::to_string(&set).unwrap(), r#"["a,b","gpu","x64"]"#);
    assert!(serde_json::from_str::<Label>("\"a\\u0007\"").is_err());
    assert_eq!(
        InvalidLabel.to_string(),
        "must have 1 to 256 characters, none of them a line break or another control character"
    );
}
