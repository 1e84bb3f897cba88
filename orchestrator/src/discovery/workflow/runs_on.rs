//! What `runs-on` asks for in every leg of the matrix, and whether that is a self-hosted runner.

use std::collections::BTreeSet;

use super::expression::{Outcomes, Scope};
use super::limits::{MAX_OUTCOMES, Work};
use super::matrix::Leg;
use super::template::{Template, first_expression};
use super::value::{Piece, Value};
use super::{Answer, hosted};

/// The label by which a job asks for a runner that GitHub does not host.
const SELF_HOSTED: &str = "self-hosted";

/// The value of `runs-on`, read once.
pub(super) struct RunsOn<'f> {
    labels: Labels,
    group: Option<&'f Value>,
    /// The first expression in it as written; without one, the legs of the matrix do not matter.
    expression: Option<&'f str>,
}

enum Labels {
    None,
    One(Template),
    Many(Vec<Template>),
}

/// One thing that a leg may ask for.
#[derive(Clone, Default)]
struct Choice {
    labels: Vec<Value>,
    group: Option<Value>,
}

/// What the legs ask for, all together.
pub(super) struct Request {
    /// The distinct label sets; empty if one of them is not known.
    pub(super) labels: Vec<Vec<String>>,
    /// The first group, or the expression that gives it.
    pub(super) group: Option<String>,
    pub(super) self_hosted: Answer,
    pub(super) why: String,
}

/// Whether something asks for a self-hosted runner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Always,
    Possible,
    Never,
}

impl<'f> RunsOn<'f> {
    pub(super) fn of(value: &'f Value) -> Self {
        let labels = match value {
            Value::Map(_) => value.entry("labels"),
            _ => Some(value),
        };
        let labels = match labels {
            None => Labels::None,
            Some(Value::List(items)) => Labels::Many(items.iter().map(Template::of).collect()),
            Some(value) => Labels::One(Template::of(value)),
        };
        Self { labels, group: value.entry("group"), expression: first_expression(value) }
    }

    /// Whether the legs of the matrix make a difference.
    pub(super) const fn is_dynamic(&self) -> bool {
        self.expression.is_some()
    }

    /// Asks in every leg.
    pub(super) fn request(&self, legs: &[Leg], work: &Work) -> Request {
        let mut all = Tally::default();
        for leg in legs {
            let choices = self.choices(&Scope { matrix: leg.matrix.clone(), work });
            all.add(&choices, leg.sure);
        }
        let (self_hosted, why) = all.verdict(self.expression);
        let group = all.group.or_else(|| Some(self.group?.to_text()?.to_string()));
        let labels = if all.known { all.sets } else { Vec::new() };
        Request { labels, group, self_hosted, why }
    }

    fn choices(&self, scope: &Scope<'_>) -> Vec<Choice> {
        let mut choices = match &self.labels {
            Labels::None => vec![Choice::default()],
            Labels::One(template) => template.evaluate(scope).iter().map(Choice::of).collect(),
            Labels::Many(templates) => {
                let items: Vec<_> = templates.iter().map(|one| one.evaluate(scope)).collect();
                combine(&items)
            }
        };
        if let Some(group) = self.group {
            let group = Template::of(group).evaluate(scope);
            let group = group.only().cloned().unwrap_or(Value::Runtime);
            choices.iter_mut().for_each(|choice| choice.group = Some(group.clone()));
        }
        choices
    }
}

/// Every combination of what the items of a list may be. If there are too many, what is certain remains certain.
fn combine(items: &[Outcomes]) -> Vec<Choice> {
    let mut choices = vec![Choice::default()];
    for item in items {
        let several = choices.len() * item.iter().len() > MAX_OUTCOMES;
        let values = if several { vec![Value::Runtime] } else { item.iter().cloned().collect() };
        let mut longer = Vec::with_capacity(choices.len() * values.len());
        for choice in &choices {
            for value in &values {
                let mut choice = choice.clone();
                match Choice::of(value) {
                    Choice { labels, group: None } => choice.labels.extend(labels),
                    Choice { .. } => choice.labels.push(Value::Runtime),
                }
                longer.push(choice);
            }
        }
        choices = longer;
    }
    choices
}

impl Choice {
    /// What an evaluated `runs-on`, or an item of it, asks for.
    fn of(value: &Value) -> Self {
        let labels = match value {
            Value::Null => Vec::new(),
            Value::List(items) | Value::Each(items) => {
                // A list with a part that only run time knows may turn out as anything.
                let texts: Option<Vec<_>> = items.iter().map(label).collect();
                texts.unwrap_or_else(|| vec![Value::Runtime])
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

    fn reach(&self) -> Reach {
        let reaches = |wanted| self.labels.iter().any(|label| label_reach(label) == wanted);
        if reaches(Reach::Always) {
            Reach::Always
        } else if reaches(Reach::Possible) {
            Reach::Possible
        } else {
            Reach::Never
        }
    }

    /// The labels if all are known.
    fn texts(&self) -> Option<Vec<String>> {
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

/// Whether the holes of a text can be filled so that it is `wanted`, but for case and blanks around it.
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

/// What has been seen over the legs.
struct Tally {
    sets: Vec<Vec<String>>,
    seen: BTreeSet<Vec<String>>,
    group: Option<String>,
    legs: usize,
    self_hosted_legs: usize,
    /// A leg that is surely run surely asks for a self-hosted runner.
    surely: bool,
    possibly: bool,
    /// Every leg has one label set, and it is known.
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
            surely: false,
            possibly: false,
            known: true,
            hosted: true,
        }
    }
}

impl Tally {
    fn add(&mut self, choices: &[Choice], sure: bool) {
        let always = choices.iter().all(|choice| choice.reach() == Reach::Always);
        self.legs += 1;
        self.self_hosted_legs += usize::from(always);
        self.surely |= always && sure;
        self.possibly |= choices.iter().any(|choice| choice.reach() != Reach::Never);
        self.known &= choices.len() == 1;
        for choice in choices {
            if let Some(group) = &choice.group
                && self.group.is_none()
            {
                self.group = group.to_text().map(|text| text.to_string());
            }
            let texts = choice.texts();
            let is_hosted =
                |texts: &Vec<String>| !texts.is_empty() && texts.iter().all(|text| hosted::is_image(text));
            self.hosted &= choice.group.is_none() && texts.as_ref().is_some_and(is_hosted);
            match texts {
                Some(texts) => self.remember(texts),
                None => self.known = false,
            }
        }
    }

    fn remember(&mut self, set: Vec<String>) {
        let mut key: Vec<_> = set.iter().map(|label| label.to_lowercase()).collect();
        key.sort();
        key.dedup();
        if self.seen.insert(key) {
            self.sets.push(set);
        }
    }

    fn verdict(&self, expression: Option<&str>) -> (Answer, String) {
        let label = SELF_HOSTED;
        if self.surely {
            let share = match self.self_hosted_legs {
                all if all == self.legs => String::new(),
                some => format!(" in {some} of {} legs", self.legs),
            };
            return (Answer::Yes, format!("asks for the label {label}{share}"));
        }
        if !self.possibly && self.known {
            let why = match (&*self.sets, &self.group) {
                ([], _) => "its matrix has no legs".into(),
                (_, Some(group)) => format!("asks for the group {group}, not for the label {label}"),
                ([set], _) if set.is_empty() => "asks for no label".into(),
                ([set], _) => format!("asks for {}, not for the label {label}", shorten(&set.join(", "))),
                _ => format!("no leg asks for the label {label}"),
            };
            return (Answer::No, why);
        }
        if !self.possibly && self.hosted {
            return (Answer::No, "can only ask for images that GitHub hosts".into());
        }
        (Answer::Unknown, format!("only run time decides {}", shorten(expression.unwrap_or("it"))))
    }
}

/// The first line of a text, cut where a phrase would become a page.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 80;
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.into(),
    }
}
