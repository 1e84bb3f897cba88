//! Runner labels, and the rule that decides whether a runner can take a job.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::foreign_text::{cut, steers};

/// Most labels one runner may carry (GitHub REST "Create configuration for a just-in-time runner": 1 to 100).
pub const MAX_LABELS: usize = 100;
/// Longest label, in characters (the limit of GitHub's label form). GitHub documents no other rule for a label's text.
pub const MAX_LABEL_LENGTH: usize = 256;

/// Most bytes of all labels of one job that are kept. Runners of ours have some hundred.
const MAX_BYTES: usize = 8 << 10;

/// Stands for a character that no label of a runner can hold.
const REPLACED: char = '\u{fffd}';

/// Stands for the labels of a job that are not kept. No runner of ours has it.
const TOO_MANY: &str = "(too many labels)";

/// A runner label, kept in lower case because GitHub compares labels without case and answers them in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Why a text is not a [`Label`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to {MAX_LABEL_LENGTH} characters, none of them a line break or another control character"
)]
pub struct InvalidLabel;

/// The labels of a runner, or those a job asks for.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelSet(BTreeSet<Label>);

impl Label {
    /// Takes `text` as a label that we give to a runner: whatever GitHub takes and can be shown. White space around it does not
    /// count.
    pub fn parse(text: &str) -> Result<Self, InvalidLabel> {
        let label = Self::requested(text);
        let length = label.0.chars().count();
        if !(1..=MAX_LABEL_LENGTH).contains(&length)
            || label.0.contains(REPLACED)
            || label.0 == TOO_MANY
        {
            return Err(InvalidLabel);
        }
        Ok(label)
    }

    /// A label as a job asks for it: any text, because what a workflow's author wrote is not ours to refuse. What no label of a
    /// runner can hold is replaced, and what is longer than any is cut, so that it matches none.
    pub fn requested(text: &str) -> Self {
        let plain = text.trim().to_lowercase();
        let mut fit = String::with_capacity(plain.len());
        let mut rest = plain.chars().take(2 * MAX_LABEL_LENGTH).peekable();
        while let Some(c) = rest.next() {
            let kept = !steers(c) || joins(fit.chars().next_back(), c, rest.peek().copied());
            fit.push(if kept { c } else { REPLACED });
        }
        Self(cut(&fit, MAX_LABEL_LENGTH + 1))
    }

    /// True if it breaks a list that is joined by commas.
    pub fn has_comma(&self) -> bool {
        self.0.contains(',')
    }

    /// The label in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True if `c` joins its neighbours, or keeps them apart, as many scripts (and emoji) need. Between letters that need no such thing
/// it would make two labels look alike.
fn joins(before: Option<char>, c: char, after: Option<char>) -> bool {
    let needs = |neighbour: Option<char>| {
        neighbour.is_some_and(|found| !found.is_ascii() && !steers(found) && found != REPLACED)
    };
    matches!(c, '\u{200c}' | '\u{200d}') && needs(before) && needs(after)
}

impl LabelSet {
    /// The labels a job asks for. An empty one asks for nothing. If there are more than a runner can have, or very long ones,
    /// enough of them are kept that no runner has them all.
    pub fn requested<I: IntoIterator<Item = S>, S: AsRef<str>>(labels: I) -> Self {
        let (mut set, mut bytes) = (BTreeSet::new(), 0);
        for label in labels {
            if set.len() > MAX_LABELS {
                break;
            }
            let label = Label::requested(label.as_ref());
            // The sign itself, read again, takes no other's place.
            bytes += if label.0 == TOO_MANY { 0 } else { label.0.len() };
            if bytes > MAX_BYTES {
                set.insert(Label(TOO_MANY.to_owned()));
                break;
            }
            set.insert(label);
            set.remove(&Label(String::new()));
        }
        Self(set)
    }

    /// The first label that breaks a list joined by commas.
    pub fn with_comma(&self) -> Option<&Label> {
        self.0.iter().find(|label| label.has_comma())
    }

    /// True if a runner with these labels may take a job that asks for `wanted`: it has all of them.
    pub fn covers(&self, wanted: &Self) -> bool {
        wanted.0.is_subset(&self.0)
    }

    /// The labels of `wanted` that this set lacks, in order.
    pub fn missing<'a>(&'a self, wanted: &'a Self) -> Vec<&'a Label> {
        wanted.0.difference(&self.0).collect()
    }

    /// True if a job asks for more labels, or longer ones, than are kept: more than any runner has.
    pub fn are_too_many(&self) -> bool {
        self.len() > MAX_LABELS || self.0.iter().any(|label| label.0 == TOO_MANY)
    }

    /// True if `label` is in the set, compared without case.
    pub fn contains(&self, label: &str) -> bool {
        self.0.contains(&Label::requested(label))
    }

    /// The labels in order.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.iter()
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels as texts, in order.
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(|label| label.0.clone()).collect()
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(labels.into_iter().collect())
    }
}

impl TryFrom<String> for Label {
    type Error = InvalidLabel;
    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        Self::parse(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "label:{}", self.0)
    }
}

/// The labels joined by commas, as runner images and people take them.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(&label.0)?;
        }
        Ok(())
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests;
