//! What the legs of a job ask for, counted into one answer.

use std::collections::BTreeSet;

use super::choice::{Choice, Reach, SELF_HOSTED};
use super::value::Value;
use super::{Answer, hosted};

/// What the legs ask for, all together.
pub(super) struct Request {
    /// The distinct label sets; empty if one of them is not known.
    pub(super) labels: Vec<Vec<String>>,
    /// The first group, or the expression that gives it.
    pub(super) group: Option<String>,
    pub(super) self_hosted: Answer,
    pub(super) why: String,
}

/// What has been seen over the legs.
pub(super) struct Tally {
    /// The distinct label sets.
    sets: Vec<Vec<String>>,
    /// The same in lower case and order.
    seen: BTreeSet<Vec<String>>,
    group: Option<String>,
    legs: usize,
    self_hosted_legs: usize,
    self_hosted: Answer,
    /// Every leg asks for one label set, and it is known.
    known: bool,
    /// Every label that any leg may ask for names an image of GitHub's.
    hosted: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sets: Vec::new(),
            seen: BTreeSet::new(),
            group: None,
            legs: 0,
            self_hosted_legs: 0,
            self_hosted: Answer::No,
            known: true,
            hosted: true,
        }
    }
}

impl Tally {
    /// Counts what a leg may ask for, one of `choices`. `sure` says that the leg is run in any case.
    pub(super) fn add(&mut self, choices: &[Choice], sure: bool) {
        let always = choices.iter().all(|choice| choice.reach() == Reach::Always);
        let never = choices.iter().all(|choice| choice.reach() == Reach::Never);
        self.legs += 1;
        self.self_hosted_legs += usize::from(always);
        self.self_hosted = match self.self_hosted {
            Answer::Yes => Answer::Yes,
            _ if always && sure => Answer::Yes,
            answer if never => answer,
            _ => Answer::Unknown,
        };
        self.known &= choices.len() == 1;
        for choice in choices {
            if self.group.is_none() {
                let group = choice.group.as_ref().and_then(Value::to_text);
                self.group = group.map(|group| group.to_string());
            }
            let texts = choice.texts();
            self.hosted &= choice.group.is_none() && texts.as_deref().is_some_and(is_hosted);
            match texts {
                Some(texts) => self.remember(texts),
                None => self.known = false,
            }
        }
    }

    fn remember(&mut self, set: Vec<String>) {
        let key: BTreeSet<_> = set.iter().map(|label| label.to_lowercase()).collect();
        if self.seen.insert(key.into_iter().collect()) {
            self.sets.push(set);
        }
    }

    /// The answer. `expression` is the one to name where only run time can tell.
    pub(super) fn request(self, expression: Option<&str>) -> Request {
        let (self_hosted, why) = match self.self_hosted {
            Answer::Yes => (Answer::Yes, self.why_yes()),
            Answer::No if self.known => (Answer::No, self.why_no()),
            Answer::No if self.hosted => {
                (Answer::No, "can only ask for images that GitHub hosts".into())
            }
            _ if self.known && self.group.is_some() => (Answer::Unknown, self.why_group()),
            _ => {
                let what = shorten(expression.unwrap_or("what it asks for"));
                (Answer::Unknown, format!("only run time decides {what}"))
            }
        };
        let labels = if self.known { self.sets } else { Vec::new() };
        Request { labels, group: self.group, self_hosted, why }
    }

    fn why_yes(&self) -> String {
        let (legs, some) = (self.legs, self.self_hosted_legs);
        let share = if some < legs { format!(" in {some} of {legs} legs") } else { String::new() };
        format!("asks for the label {SELF_HOSTED}{share}")
    }

    fn why_group(&self) -> String {
        let group = shorten(self.group.as_deref().unwrap_or_default());
        format!("asks for the group {group}, which may have self-hosted runners")
    }

    fn why_no(&self) -> String {
        match &*self.sets {
            [] => "its matrix has no legs".into(),
            [set] if set.is_empty() => "asks for no label".into(),
            [set] => format!("asks for {}, not for {SELF_HOSTED}", shorten(&set.join(", "))),
            _ => format!("no leg asks for the label {SELF_HOSTED}"),
        }
    }
}

fn is_hosted(labels: &[String]) -> bool {
    !labels.is_empty() && labels.iter().all(|label| hosted::is_image(label))
}

/// A text in one line, cut where a phrase would become a page.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    // A text of any length costs no more than what is kept of it.
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if let Some((at, _)) = line.char_indices().nth(LONGEST) {
            return format!("{}…", &line[..at]);
        }
    }
    line
}
