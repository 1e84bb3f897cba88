use serde_json::json;

use super::*;
use crate::foreign_text::steers;

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Entry {
    id: i64,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "option")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "texts")]
    labels: Vec<String>,
    #[serde(default, deserialize_with = "texts_if_readable")]
    groups: Option<Vec<String>>,
}

fn entry(id: i64) -> Entry {
    Entry { id, name: "a".to_owned(), size: Some(1), labels: vec!["x".to_owned()], groups: None }
}

#[test]
fn a_field_of_another_type_reads_as_missing() {
    let rows = [
        r#"{"id":1}"#,
        r#"{"id":1,"name":null,"size":null,"labels":null}"#,
        r#"{"id":1,"name":7,"size":"big","labels":"x"}"#,
        r#"{"id":1,"name":{"a":[]},"size":-1,"labels":{"a":"x"}}"#,
        r#"{"id":1,"name":"\ud800","size":1e999,"labels":[null,7,"","  ",["x"]]}"#,
    ];
    for text in rows {
        let read: Entry = serde_json::from_str(text).unwrap();
        let labels = Vec::new();
        let bare = Entry { id: 1, name: String::new(), size: None, labels, groups: None };
        assert_eq!(read, bare, "{text}");
        let groups = text.replace("labels", "groups");
        assert_eq!(serde_json::from_str::<Entry>(&groups).unwrap(), bare, "{groups}");
    }
    for (list, expected) in
        [("[]", vec![]), (r#"[" "]"#, vec![]), (r#"["y"," ","x"]"#, vec!["y", "x"])]
    {
        let read: Entry = serde_json::from_str(&format!(r#"{{"id":1,"groups":{list}}}"#)).unwrap();
        let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(read.groups, Some(expected), "{list}");
    }
    // What is left of a list is not the list.
    for list in [r#"[null,"x"]"#, r#"["x",5]"#, r#"["x",["y"]]"#, r#"["x",{}]"#] {
        let read: Entry = serde_json::from_str(&format!(r#"{{"id":1,"groups":{list}}}"#)).unwrap();
        assert_eq!(read.groups, None, "{list}");
    }
    let mixed = r#"{"id":1,"labels":[null,"x",{"name":"y"}]}"#;
    assert_eq!(serde_json::from_str::<Entry>(mixed).unwrap().labels, ["x"]);
}

#[test]
fn one_odd_entry_hides_no_other_and_the_length_stays() {
    let good = serde_json::to_string(&entry(1)).unwrap();
    let odd = [
        ("null", "null where an object should be"),
        ("7", "integer `7` where an object should be"),
        ("[]", "a list where an object should be"),
        ("{}", "missing field `id`"),
        (r#"{"id":null,"name":"ci"}"#, r#""ci": null where a number of that size should be"#),
        (r#"{"id":{}}"#, "an object where a number of that size should be"),
        (r#"{"id":", expected x"}"#, r#"string ", expected x" where a number of that size"#),
        (r#"{"id":1e999}"#, "number out of range"),
        (r#"{"id":"\ud800"}"#, ""),
    ];
    for (text, wrong) in odd {
        let list = format!("[{good},{text},{good}]");
        let read: List<Entry> = serde_json::from_str(&list).unwrap();
        assert_eq!((read.entries(), read.len()), (&[entry(1), entry(1)][..], 3), "{text}");
        assert_eq!(read.odd().len(), 1, "{text}");
        assert!(read.odd()[0].contains(wrong), "{text}: {}", read.odd()[0]);
        // As it is held for a conditional request.
        let held = serde_json::to_string(&read).unwrap();
        let again: List<Entry> = serde_json::from_str(&held).unwrap();
        assert_eq!((again.entries(), again.len()), (read.entries(), 3), "{text}");
    }
    let named = r#"[{"id":42,"labels":[]},{"id":43.5,"name":"x"}]"#;
    let read: List<Entry> = serde_json::from_str(named).unwrap();
    assert_eq!(read.entries().len(), 1);
    let huge =
        json!([{"id": "x".repeat(100_000)}, {"id": "a\u{1b}[31m\n\u{202e}b\u{200b}"}]).to_string();
    let read: List<Entry> = serde_json::from_str(&huge).unwrap();
    assert!(read.odd().iter().all(|line| line.chars().count() <= LONGEST));
    assert!(read.odd().iter().all(|line| !line.contains(steers)), "{read:?}");
}

#[test]
fn what_is_no_list_is_not_an_empty_one() {
    for text in ["null", "{}", "7", "\"x\""] {
        assert!(serde_json::from_str::<List<Entry>>(text).is_err(), "{text}");
    }
}

#[test]
fn an_odd_entry_is_named_by_its_id_or_its_name_and_in_few_words() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its reading counts")]
    struct Sized {
        size: u8,
    }
    let odd = |entry: String| {
        let read: List<Sized> = serde_json::from_str(&format!("[{entry}]")).unwrap();
        assert!(read.entries().is_empty() && !read.is_empty());
        read.odd()[0].clone()
    };
    let rows = [
        (json!({"id": 7, "name": "ci"}), "id 7: missing field `size`"),
        (
            json!({"id": "7", "name": "ci", "size": 256}),
            "\"ci\": integer `256` where a number of that size should be",
        ),
        (json!({"id": null, "name": 8}), "missing field `size`"),
    ];
    for (entry, expected) in rows {
        assert_eq!(odd(entry.to_string()), expected);
    }
    let name = "x".repeat(200);
    let long = odd(json!({"name": name}).to_string());
    assert_eq!(long, format!("\"{}…", &name[..158]));
    let empty = List::<Sized>::default();
    assert_eq!((empty.len(), empty.is_empty()), (0, true));
}
