//! Reading JSON that others write, so that one odd value spoils nothing beside it.
//!
//! GitHub's answers and payloads differ from their description now and then. A field of another type reads as if it were missing,
//! and an entry of a list that cannot be read is left out and named, while the others count.
//!
//! Invariant: only for `serde_json`; each value is read by itself, so even a number or a text that JSON cannot hold stays local.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::foreign_text::{cut, line};

/// Longest text about an entry that cannot be read, in characters.
const LONGEST: usize = 160;

/// A value, or `None` where it is null or something else stands.
pub fn option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A value, or the type's default where it is null or something else stands.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    option(deserializer).map(Option::unwrap_or_default)
}

/// The texts of a list that are not blank; what is no list has none.
pub fn texts<'de, D>(deserializer: D) -> Result<Vec<String>, D::Error>
where
    D: Deserializer<'de>,
{
    texts_if_readable(deserializer).map(Option::unwrap_or_default)
}

/// The same; `None` if they cannot be read: there is no list, or no text in one with other entries.
pub fn texts_if_readable<'de, D>(deserializer: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let list: Option<List<String>> = option(deserializer)?;
    Ok(list.and_then(|list| {
        let all_read = list.odd().is_empty();
        let mut texts = list.into_entries();
        texts.retain(|text| !text.trim().is_empty());
        (all_read || !texts.is_empty()).then_some(texts)
    }))
}

/// A list whose entries are read one by one: what cannot be read is left out and named.
///
/// Written, entries that could not be read become `null`, so that the list keeps its length when it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    entries: Vec<T>,
    odd: Vec<String>,
}

impl<T> List<T> {
    /// The entries that could be read.
    pub fn entries(&self) -> &[T] {
        &self.entries
    }

    /// The entries that could be read.
    pub fn into_entries(self) -> Vec<T> {
        self.entries
    }

    /// What is wrong with each entry that could not be read: a line of bounded length.
    pub fn odd(&self) -> &[String] {
        &self.odd
    }

    /// How many entries the list has, those included that could not be read.
    pub fn len(&self) -> usize {
        self.entries.len() + self.odd.len()
    }

    /// Whether the list has no entry at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), odd: Vec::new() }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Vec::<Box<RawValue>>::deserialize(deserializer)?;
        let mut list = Self::default();
        for entry in raw {
            match serde_json::from_str(entry.get()) {
                Ok(read) => list.entries.push(read),
                Err(error) => list.odd.push(oddity(&entry, &error)),
            }
        }
        Ok(list)
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let read = self.entries.iter().map(Some);
        serializer.collect_seq(read.chain(self.odd.iter().map(|_| None)))
    }
}

/// What is wrong with an entry, and which one it is if it says.
fn oddity(entry: &RawValue, error: &serde_json::Error) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        #[serde(deserialize_with = "option")]
        id: Option<i64>,
        #[serde(deserialize_with = "option")]
        name: Option<String>,
    }
    let named: Named = serde_json::from_str(entry.get()).unwrap_or_default();
    let which = match (named.id, named.name) {
        (Some(id), _) => format!("id {id}: "),
        (None, Some(name)) => format!("{name:?}: "),
        (None, None) => String::new(),
    };
    // Without the place: it is that within the entry, which nobody sees.
    let what = error.to_string();
    let what = what.split(" at line ").next().unwrap_or_default();
    cut(&line(&format!("{which}{what}")), LONGEST)
}

#[cfg(test)]
mod tests {
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
        Entry {
            id,
            name: "a".to_owned(),
            size: Some(1),
            labels: vec!["x".to_owned()],
            groups: None,
        }
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
        for (list, expected) in [("[]", vec![]), (r#"[" "]"#, vec![]), (r#"[7,"x"]"#, vec!["x"])] {
            let read: Entry =
                serde_json::from_str(&format!(r#"{{"id":1,"groups":{list}}}"#)).unwrap();
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(read.groups, Some(expected), "{list}");
        }
        let mixed = r#"{"id":1,"labels":[null,"x",{"name":"y"}]}"#;
        assert_eq!(serde_json::from_str::<Entry>(mixed).unwrap().labels, ["x"]);
    }

    #[test]
    fn one_odd_entry_hides_no_other_and_the_length_stays() {
        let good = serde_json::to_string(&entry(1)).unwrap();
        let odd = [
            ("null", "invalid type: null"),
            ("7", "invalid type: integer"),
            ("[]", "invalid length 0"),
            ("{}", "missing field `id`"),
            (r#"{"id":null,"name":"ci"}"#, r#""ci": invalid type: null, expected i64"#),
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
        let huge = json!([{"id": "x".repeat(100_000)}, {"id": "a\u{1b}[31m\n\u{202e}b\u{200b}"}])
            .to_string();
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
}
