//! YAML text into a [`Value`]; the only file that names the YAML library.
//!
//! Aliases are followed within [`limits`](super::limits). Merge keys stay ordinary keys, duplicate keys and further
//! documents are errors: so GitHub reads workflow files.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use super::ScanError;
use super::limits::{
    MAX_ALIAS_DEPTH, MAX_ALIAS_EVENTS, MAX_ALIASES, MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES,
    MAX_REPAIRS, MAX_TREE_BYTES, Work,
};
use super::value::Value;

/// Reads the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Value, ScanError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(ScanError::TooLarge { bytes: text.len(), limit: MAX_FILE_BYTES });
    }
    let mut text = Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut repairs = 0;
    loop {
        let work = Work::new(MAX_TREE_BYTES);
        let read = serde_saphyr::with_deserializer_from_str_with_options(
            &text,
            options(),
            |deserializer| Tree(&work).deserialize(deserializer),
        );
        let error = match read {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let repaired = under_indented_line(&error).and_then(|line| indent(&text, line));
        let Some(repaired) = repaired.filter(|_| repairs < MAX_REPAIRS) else {
            return Err(ScanError::Yaml(error.to_string()));
        };
        text = Cow::Owned(repaired);
        repairs += 1;
    }
}

/// The line on which a quoted text goes on too far to the left. GitHub reads such files, the library does not.
fn under_indented_line(error: &serde_saphyr::Error) -> Option<usize> {
    // The library has no public name for this error, so a test holds its wording.
    let is_it = error.to_string().contains("indentation in multiline quoted scalar");
    usize::try_from(error.location().filter(|_| is_it)?.line()).ok()
}

/// `text` with its `line`, counted from one, further to the right. Within quotes that changes nothing, since blanks
/// at the start of a line are folded away.
fn indent(text: &str, line: usize) -> Option<String> {
    let before = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let (before, from) = text.split_at_checked(before)?;
    Some(format!("{before}{:width$}{from}", "", width = 2 * MAX_DEPTH))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 3 * MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_recorded_anchor_events: MAX_ALIAS_EVENTS,
            max_documents: 2,
            // A counted alias is bounded above; a ratio would refuse one anchor used in many steps.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIAS_EVENTS,
            max_replay_stack_depth: MAX_ALIAS_DEPTH,
        },
    }
}

/// Builds a [`Value`]. The allowance counts bytes of text, so that aliases of a long text do not multiply it.
#[derive(Clone, Copy)]
struct Tree<'w>(&'w Work);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a workflow")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "GitHub's numbers are floating-point too")]
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "GitHub's numbers are floating-point too")]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "GitHub's numbers are floating-point too")]
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "GitHub's numbers are floating-point too")]
    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        if self.0.spend(text.len()) {
            Ok(Value::text(text))
        } else {
            Err(E::custom("aliases make the file too large"))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::List(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry_seed(self, self)? {
            map.push((key.to_text().unwrap_or_default(), value));
        }
        Ok(Value::Map(map.into()))
    }
}
