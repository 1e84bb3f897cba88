//! Runner labels, and the rule that decides whether a runner can take a job.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::foreign_text::{cut, steers};

/// Most labels one runner may carry (GitHub REST "Create configuration for a just-in-time runner": 1 to 100).
pub const MAX_LABELS: usize = 100;
/// Longest label, in characters (the limit of GitHub's label form).
pub const MAX_LABEL_LENGTH: usize = 256;

/// A runner label, kept in lower case because GitHub compares labels without case and answers them in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Why a text is not a [`Label`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_LABEL_LENGTH} letters, digits, '.', '_', ':', '/', '+' or '-'")]
pub struct InvalidLabel;

/// The labels of a runner, or those a job asks for.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelSet(BTreeSet<Label>);

impl Label {
    /// Takes `text` as a label that we give to a runner. No comma and no space: images join labels by commas.
    pub fn parse(text: &str) -> Result<Self, InvalidLabel> {
        let allowed = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'+' | b'-')
        };
        if text.is_empty() || text.len() > MAX_LABEL_LENGTH || !text.bytes().all(allowed) {
            return Err(InvalidLabel);
        }
        Ok(Self::requested(text))
    }

    /// A label as a job asks for it: any text, because what a workflow's author wrote is not ours to refuse. What no label of a
    /// runner can hold is replaced, and what is longer than any is cut, so that it matches none.
    pub fn requested(text: &str) -> Self {
        let plain = text.trim().to_lowercase();
        let plain = plain.replace(steers, "\u{fffd}");
        Self(cut(&plain, MAX_LABEL_LENGTH + 1))
    }

    /// The label in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LabelSet {
    /// The labels a job asks for. Of more than a runner can have, so many are kept that no runner has them.
    pub fn requested<I: IntoIterator<Item = S>, S: AsRef<str>>(labels: I) -> Self {
        let mut set = BTreeSet::new();
        for label in labels {
            if set.len() > MAX_LABELS {
                break;
            }
            set.insert(Label::requested(label.as_ref()));
        }
        Self(set)
    }

    /// Whether a runner with these labels may take a job that asks for `wanted`: it has all of them.
    pub fn covers(&self, wanted: &Self) -> bool {
        wanted.0.is_subset(&self.0)
    }

    /// The labels of `wanted` that this set lacks, in order.
    pub fn missing<'a>(&'a self, wanted: &'a Self) -> Vec<&'a Label> {
        wanted.0.difference(&self.0).collect()
    }

    /// Whether `label` is in the set, compared without case.
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

    /// Whether there are none.
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

/// The labels joined by commas, as runner images and container labels carry them.
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
mod tests {
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
    fn our_own_labels_hold_nothing_that_an_image_would_split() {
        for bad in ["", "a,b", "a b", "a\tb", "ä", "{x}", &"x".repeat(257)] {
            assert_eq!(Label::parse(bad), Err(InvalidLabel), "{bad:?}");
        }
        assert_eq!(Label::parse("GPU-a100.x:1").unwrap().as_str(), "gpu-a100.x:1");
    }
}
