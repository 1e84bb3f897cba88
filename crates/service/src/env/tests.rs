use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Raw {
    one: Option<String>,
    other: Option<String>,
}

fn read(pairs: &[(&str, &str)]) -> (Raw, Vec<String>) {
    let mut check = Checker::new();
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let raw = check.read(pairs.collect());
    (raw, check.finish(Some(())).err().map(|errors| errors.0).unwrap_or_default())
}

#[test]
fn every_mistake_is_reported_with_its_variable() {
    let mut check = Checker::new();
    let a = check.optional("A", Some("x".into()), true, boolean);
    let b = check.optional("B", Some("0".into()), 8080, port);
    let c: Option<u64> = check.required("C", Some("  ".into()), |text| integer(text, 1..=2));
    let d: Option<u64> = check.required("D", Some("'1'".into()), |text| integer(text, 1..=2));
    assert_eq!((a, b, c, d), (true, 8080, None, None));
    let errors = check.finish(Some(())).unwrap_err().0;
    assert_eq!(
        errors[..3],
        ["A: must be true or false", "B: must be a whole number from 1 to 65535", "C: is required"]
    );
    assert!(errors.len() == 4 && errors[3].starts_with("D: is in quotation marks"), "{errors:?}");
}

#[test]
fn warnings_stop_nothing() {
    let mut check = Checker::new();
    check.warn("A", "is odd");
    assert_eq!(check.take_warnings(), ["A: is odd"]);
    assert_eq!(check.finish(Some(1)), Ok(1));
}

#[test]
fn names_have_no_case_and_blank_is_unset() {
    let (raw, errors) = read(&[("ONE", "1"), ("one", " "), ("Other", "2"), ("unknown", "3")]);
    assert_eq!(raw, Raw { one: Some("1".into()), other: Some("2".into()) });
    assert!(errors.is_empty(), "{errors:?}");
    let (_, errors) = read(&[("ONE", "1"), ("one", "1")]);
    assert!(errors.is_empty(), "{errors:?}");
    let (_, errors) = read(&[("ONE", "1"), ("one", "2")]);
    assert_eq!(errors, ["ONE: is set twice, to different values: as ONE and as one"]);
}

#[test]
fn one_value_is_read_like_all() {
    let value = |pairs: &[(&str, &str)]| {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        super::value(&pairs.iter().map(owned).collect::<Vec<_>>(), "ONE")
    };
    assert_eq!(value(&[("OTHER", "1"), ("ONE", " ")]), Ok(None));
    assert_eq!(value(&[("one", "\u{feff} 1\r\n"), ("ONE", "1")]), Ok(Some("1".to_owned())));
    let twice = Err("ONE: is set twice, to different values".to_owned());
    assert_eq!(value(&[("ONE", "1"), ("one", "2")]), twice);
    let quoted = value(&[("ONE", "'secret'")]).unwrap_err();
    assert!(quoted.starts_with("ONE: is in quotation marks") && !quoted.contains("secret"));
}

#[test]
fn what_an_editor_leaves_is_not_part_of_a_value() {
    let (raw, errors) = read(&[("\u{feff}ONE", "1\r"), ("OTHER", "\u{feff}2\r\n")]);
    assert_eq!(raw, Raw { one: Some("1".into()), other: Some("2".into()) });
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_text_is_trimmed_and_a_free_one_is_not() {
    let mut check = Checker::new();
    assert_eq!(check.text("A", Some(" x y ".into())), Some("x y".to_owned()));
    assert_eq!(check.free_text("A", Some(" 'x'\ny ".into())), Some(" 'x'\ny ".to_owned()));
    assert_eq!((check.text("A", None), check.text("A", Some(" \t".into()))), (None, None));
    assert_eq!((check.free_text("A", None), check.free_text("A", Some("\n".into()))), (None, None));
    assert_eq!(check.free_text("F", Some("x\u{fffd}".into())), None);
    assert_eq!(check.text("T", Some("a\tb".into())), None);
    assert_eq!(check.required("R", Some(" 7 ".into()), |text| integer(text, 7..=8)), Some(7));
    assert_eq!(check.required("R", Some("9".into()), |text| integer(text, 7..=8)), None);
    assert_eq!(check.optional("O", None, 3, |text| integer(text, 7..=8)), 3);
    assert_eq!(check.optional("O", Some("8".into()), 3, |text| integer(text, 7..=8)), 8);
    let errors = check.finish(Some(())).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "F: holds bytes that are no UTF-8: save the file that it comes from as UTF-8\n\
         T: holds a control character\n\
         R: must be a whole number from 7 to 8"
    );
    assert_eq!(Checker::new().finish(None::<()>), Err(ConfigErrors(Vec::new())));
}

#[test]
fn warnings_are_told_once() {
    let mut check = Checker::new();
    check.warn("A", "one");
    check.warn("B", "two");
    assert_eq!(check.take_warnings(), ["A: one", "B: two"]);
    assert!(check.take_warnings().is_empty());
}

#[test]
fn words_and_numbers_have_their_bounds() {
    let rows = [
        ("true", Some(true)),
        (" TRUE ", Some(true)),
        ("1", Some(true)),
        ("yes", Some(true)),
        ("false", Some(false)),
        ("0", Some(false)),
        ("No", Some(false)),
        ("on", None),
        ("", None),
    ];
    for (text, expected) in rows {
        let wrong = || "must be true or false".to_owned();
        assert_eq!(boolean(text), expected.ok_or_else(wrong), "{text}");
    }
    for (text, expected) in [
        ("0", None),
        ("1", Some(1)),
        (" 65535 ", Some(65_535)),
        ("65536", None),
        ("-1", None),
        ("1.0", None),
    ] {
        let wrong = || "must be a whole number from 1 to 65535".to_owned();
        assert_eq!(port(text), expected.ok_or_else(wrong), "{text}");
    }
    assert_eq!(
        (set(Some("x ".into())), set(Some(" ".into())), set(None)),
        (Some("x ".into()), None, None)
    );
}

#[test]
fn the_process_s_variables_are_read() {
    let text = std::fs::read("/proc/self/environ").unwrap();
    let pairs = text.split(|byte| *byte == 0).filter(|pair| !pair.is_empty());
    let names = pairs.filter_map(|pair| {
        String::from_utf8_lossy(pair).split_once('=').map(|(name, _)| name.to_owned())
    });
    let names: Vec<String> = names.collect();
    assert!(!names.is_empty());
    assert_eq!(variables().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
}

#[test]
fn what_cannot_be_read_is_an_error_and_leaves_the_defaults() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Numbers {
        one: u8,
    }
    let mut check = Checker::new();
    let read: Numbers = check.read(vec![("ONE".to_owned(), "x".to_owned())]);
    assert_eq!(read, Numbers { one: 0 });
    let errors = check.finish(Some(())).unwrap_err().0;
    assert!(
        errors.len() == 1 && errors[0].starts_with("environment: cannot be read: "),
        "{errors:?}"
    );
}
