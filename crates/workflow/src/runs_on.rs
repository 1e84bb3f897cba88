//! The value of `runs-on`: read once, evaluated in every leg of the matrix.

use std::collections::BTreeSet;

use super::choice::Choice;
use super::expression::{Outcomes, Scope};
use super::limits::{MAX_OUTCOMES, Work};
use super::matrix::Leg;
use super::template::{Template, first_expression, inserts};
use super::value::Value;
use super::verdict::{Request, Tally};

/// The value of `runs-on`, read once.
pub(super) struct RunsOn<'f> {
    labels: Labels,
    group: Option<Template>,
    written: &'f Value,
}

enum Labels {
    One(Template),
    Many(Vec<Template>),
}

/// The runner group that one leg asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LegGroup {
    /// This one.
    Named(String),
    /// None: it asks for labels alone.
    Absent,
    /// Only run time can tell.
    Runtime,
}

impl<'f> RunsOn<'f> {
    pub(super) fn of(written: &'f Value) -> Self {
        let labels = match written {
            Value::Map(_) => written.entry("labels").unwrap_or(&Value::Null),
            _ => written,
        };
        let labels = match labels {
            _ if matches!(written, Value::Map(entries) if inserts(entries)) => {
                Labels::One(Template::Broken)
            }
            Value::List(items) => Labels::Many(items.iter().map(Template::of).collect()),
            single => Labels::One(Template::of(single)),
        };
        Self { labels, group: written.entry("group").map(Template::of), written }
    }

    /// True if the legs of the matrix make a difference.
    pub(super) fn is_dynamic(&self) -> bool {
        let labels = match &self.labels {
            Labels::One(template) => std::slice::from_ref(template),
            Labels::Many(templates) => templates,
        };
        !labels.iter().chain(&self.group).all(Template::is_literal)
    }

    /// Asks in every leg.
    pub(super) fn request(&self, legs: &[Leg], work: &Work) -> Request {
        let mut all = Tally::default();
        for leg in legs {
            if work.left() == 0 {
                // The other legs may ask for anything.
                all.add(&[Choice::of(&Value::Runtime)], false);
                break;
            }
            let choices = self.choices(&Scope { matrix: leg.matrix.clone(), work });
            all.add(&choices, leg.sure);
        }
        let mut request = all.request(first_expression(self.written));
        if request.group.is_none() {
            let group = self.written.entry("group").and_then(Value::to_text);
            request.group = group.map(|group| group.to_string());
        }
        request
    }

    /// The groups that legs ask for that may have these `labels`.
    pub(super) fn groups(&self, legs: &[Leg], labels: &[String], work: &Work) -> Vec<LegGroup> {
        let mut groups = Vec::new();
        for leg in legs {
            if work.left() == 0 {
                groups.push(LegGroup::Runtime);
                break;
            }
            for choice in self.choices(&Scope { matrix: leg.matrix.clone(), work }) {
                let texts = choice.texts();
                if texts.as_ref().is_some_and(|texts| !are_the_same(texts, labels)) {
                    continue;
                }
                let name = choice.group.as_ref().and_then(Value::to_text);
                groups.push(match name.filter(|name| !name.is_empty()) {
                    Some(name) => LegGroup::Named(name.to_string()),
                    // What asks for no label asks for a group, whatever is written.
                    None if choice.group.is_none() && texts.is_some() && !labels.is_empty() => {
                        LegGroup::Absent
                    }
                    None => LegGroup::Runtime,
                });
            }
        }
        groups
    }

    fn choices(&self, scope: &Scope<'_>) -> Vec<Choice> {
        let mut choices = match &self.labels {
            Labels::One(template) => template.evaluate(scope).iter().map(Choice::of).collect(),
            Labels::Many(templates) => {
                let items: Vec<_> = templates.iter().map(|one| one.evaluate(scope)).collect();
                combine(&items)
            }
        };
        if !scope.work.spend(choices.iter().map(Choice::size).sum()) {
            return vec![Choice::of(&Value::Runtime)];
        }
        if let Some(group) = &self.group {
            let group = group.evaluate(scope);
            let group = group.only().cloned().unwrap_or(Value::Runtime);
            for choice in &mut choices {
                choice.group = Some(group.clone());
            }
        }
        choices
    }
}

/// Every combination of what the items of a list may be. If there are too many, what is certain remains certain.
fn combine(items: &[Outcomes]) -> Vec<Choice> {
    let mut choices = vec![Choice::default()];
    for item in items {
        let too_many = choices.len() * item.iter().len() > MAX_OUTCOMES;
        let only = if too_many { Some(&Value::Runtime) } else { item.only() };
        if let Some(value) = only {
            for choice in &mut choices {
                choice.ask_also(value);
            }
            continue;
        }
        let longer = choices.iter().flat_map(|choice| {
            item.iter().map(|value| {
                let mut choice = choice.clone();
                choice.ask_also(value);
                choice
            })
        });
        choices = longer.collect();
    }
    choices
}

/// True if both are the same labels, in any order and case.
fn are_the_same(one: &[String], other: &[String]) -> bool {
    let lower = |labels: &[String]| -> BTreeSet<String> {
        labels.iter().map(|label| label.to_lowercase()).collect()
    };
    lower(one) == lower(other)
}
