//! One thing that a leg may ask for, and whether that is a self-hosted runner.

use super::value::{Piece, Value};

/// The label by which a job asks for a runner that GitHub does not host.
pub(super) const SELF_HOSTED: &str = "self-hosted";

/// One thing that a leg may ask for.
#[derive(Clone, Default)]
pub(super) struct Choice {
    pub(super) labels: Vec<Value>,
    pub(super) group: Option<Value>,
}

/// True if something asks for a self-hosted runner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Always,
    Possible,
    Never,
}

impl Choice {
    /// What an evaluated `runs-on`, or an item of it, asks for.
    pub(super) fn of(value: &Value) -> Self {
        let labels = match value {
            Value::Null => Vec::new(),
            Value::Text(text) if text.is_empty() => Vec::new(),
            Value::List(items) | Value::Each(items) => {
                // A list with a part that only run time knows may turn out as anything.
                let texts: Option<Vec<_>> = items.iter().map(label).collect();
                let mut texts = texts.unwrap_or_else(|| vec![Value::Runtime]);
                texts.retain(|text| text.truth() != Some(false));
                texts
            }
            Value::Map(_) => {
                let inner = value.entry("labels").map(Self::of).unwrap_or_default();
                return Self { labels: inner.labels, group: value.entry("group").cloned() };
            }
            Value::Open(_) => vec![Value::Runtime],
            single => vec![label(single).unwrap_or_else(|| single.clone())],
        };
        Self { labels, group: None }
    }

    /// Adds what an item of a list asks for.
    pub(super) fn ask_also(&mut self, value: &Value) {
        match Self::of(value) {
            Self { labels, group: None } => self.labels.extend(labels),
            // A mapping is no label; GitHub refuses it.
            Self { .. } => self.labels.push(Value::Runtime),
        }
    }

    /// What counting this choice costs.
    pub(super) fn size(&self) -> usize {
        let size = |label: &Value| if let Value::Text(text) = label { 1 + text.len() } else { 1 };
        self.labels.iter().map(size).sum()
    }

    /// True if it asks for a self-hosted runner. A group may hold some, which no file tells.
    pub(super) fn reach(&self) -> Reach {
        let reaches = |wanted| self.labels.iter().any(|label| label_reach(label) == wanted);
        if reaches(Reach::Always) {
            Reach::Always
        } else if reaches(Reach::Possible) || self.asks_for_group() {
            Reach::Possible
        } else {
            Reach::Never
        }
    }

    fn asks_for_group(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.truth() != Some(false))
    }

    /// The labels if all are known.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        self.labels.iter().map(|label| Some(label.to_text()?.to_string())).collect()
    }
}

/// A known single value as a label.
fn label(value: &Value) -> Option<Value> {
    value.is_primitive().then(|| value.to_text().map(Value::Text)).flatten()
}

fn label_reach(label: &Value) -> Reach {
    let possible = |possible| if possible { Reach::Possible } else { Reach::Never };
    match label {
        Value::Text(text) if text.trim().eq_ignore_ascii_case(SELF_HOSTED) => Reach::Always,
        Value::Partial(pieces) => possible(may_equal(pieces, SELF_HOSTED)),
        Value::Runtime => Reach::Possible,
        _ => Reach::Never,
    }
}

/// True if the holes of a text can be filled so that it equals `wanted`, ignoring case and surrounding blanks.
fn may_equal(pieces: &[Piece], wanted: &str) -> bool {
    let mut rest = wanted;
    let last = pieces.len().saturating_sub(1);
    for (position, piece) in pieces.iter().enumerate() {
        let Piece::Known(text) = piece else { continue };
        let text = text.to_lowercase();
        let text = if position == 0 { text.trim_start() } else { &*text };
        let text = if position == last { text.trim_end() } else { text };
        let found = if position == 0 {
            rest.starts_with(text).then_some(0)
        } else if position == last {
            rest.ends_with(text).then(|| rest.len() - text.len())
        } else {
            rest.find(text)
        };
        let Some(at) = found else { return false };
        rest = &rest[at + text.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_holes_may_or_may_not_become_the_label() {
        let known = |text: &str| Piece::Known(text.into());
        let cases: [(&[Piece], bool); 9] = [
            (&[Piece::Hole], true),
            (&[known("Self-"), Piece::Hole], true),
            (&[Piece::Hole, known("-hosted ")], true),
            (&[known(" s"), Piece::Hole, known("ho"), Piece::Hole, known("d")], true),
            (&[known("self-hosted"), Piece::Hole], true),
            (&[known("self-hosted-"), Piece::Hole], false),
            (&[Piece::Hole, known("x")], false),
            (&[known("self-host"), Piece::Hole, known("hosted")], false),
            (&[known("runs-on="), Piece::Hole, known("/runner=self-hosted")], false),
        ];
        for (pieces, possible) in cases {
            assert_eq!(may_equal(pieces, SELF_HOSTED), possible, "{pieces:?}");
        }
    }
}
