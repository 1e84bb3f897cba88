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
    let list: Option<List<String>> = option(deserializer)?;
    Ok(list.map(not_blank).unwrap_or_default())
}

/// The same; `None` if they cannot be read: there is no list, or one with an entry that is no text. Such a list never counts as
/// the rest of it.
pub fn texts_if_readable<'de, D>(deserializer: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let list: Option<List<String>> = option(deserializer)?;
    Ok(list.filter(|list| list.odd().is_empty()).map(not_blank))
}

fn not_blank(list: List<String>) -> Vec<String> {
    let mut texts = list.into_entries();
    texts.retain(|text| !text.trim().is_empty());
    texts
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

    /// True if the list has no entry at all.
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
    cut(&line(&format!("{which}{}", in_plain_words(what))), LONGEST)
}

/// What `serde` says of a value that is of another type, without the names of Rust's types.
fn in_plain_words(what: &str) -> String {
    let about = ["invalid type: ", "invalid value: ", "invalid length "];
    let Some(kind) = about.iter().find(|kind| what.starts_with(**kind)) else {
        return what.to_owned();
    };
    let Some((found, wanted)) = what[kind.len()..].rsplit_once(", expected ") else {
        return what.to_owned();
    };
    let found = match found {
        _ if kind.ends_with("length ") => "a list",
        "map" => "an object",
        "sequence" => "a list",
        other => other,
    };
    let wanted = match wanted.split(' ').next().unwrap_or_default() {
        "struct" => "an object",
        "i64" | "u64" | "u32" | "u16" | "u8" => "a number of that size",
        _ => match wanted {
            "a map" => "an object",
            "a string" => "a text",
            "a sequence" => "a list",
            other => other,
        },
    };
    format!("{found} where {wanted} should be")
}

#[cfg(test)]
mod tests;
