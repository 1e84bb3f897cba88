//! What a question costs before it is answered.
//!
//! Source: GitHub docs, "Rate limits and query limits for the GraphQL API". Nodes: each connection counts as many as its
//! `first` or `last`, once for each node around it. Points: the requests for all connections, each once for each node around
//! it, divided by a hundred and rounded, and at least one.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value;
use apollo_compiler::collections::HashMap;
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::response::JsonMap;
use apollo_compiler::{Name, Node};

/// Most nodes of one question (docs: "Node limit").
pub(crate) const MAX_NODES: u64 = 500_000;
/// Deepest nesting of fields, fragments written out. The simulator's own, for its stack.
pub(crate) const MAX_DEPTH: u64 = 100;
/// Most fields, fragments written out. The simulator's own: fragments within fragments could ask without end.
pub(crate) const MAX_FIELDS: u64 = 100_000;

/// What a question, or a part of it, weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Requests for connections.
    pub(crate) requests: u64,
    /// Nodes of connections.
    pub(crate) nodes: u64,
    /// Fields, each once.
    pub(crate) fields: u64,
    /// Fields within fields.
    pub(crate) depth: u64,
}

impl Weight {
    /// Points of the hour's limit.
    pub(crate) fn points(&self) -> u64 {
        (self.requests.saturating_add(50) / 100).max(1)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            nodes: self.nodes.saturating_add(other.nodes),
            fields: self.fields.saturating_add(other.fields),
            depth: self.depth.max(other.depth),
        }
    }
}

/// What `operation` weighs with these values of its variables.
pub(crate) fn weigh(
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &JsonMap,
) -> Weight {
    let fragments = HashMap::default();
    Scale { document, variables, fragments }.set(&operation.selection_set)
}

struct Scale<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
    /// Weighed once each, as often as they are used.
    fragments: HashMap<Name, Weight>,
}

impl Scale<'_> {
    fn set(&mut self, set: &SelectionSet) -> Weight {
        let sum = |sum: Weight, one: &Selection| sum.plus(self.selection(one));
        set.selections.iter().fold(Weight::default(), sum)
    }

    fn selection(&mut self, selection: &Selection) -> Weight {
        match selection {
            Selection::Field(field) => self.field(field),
            Selection::InlineFragment(inline) => self.set(&inline.selection_set),
            Selection::FragmentSpread(spread) => {
                let name = &spread.fragment_name;
                if let Some(known) = self.fragments.get(name) {
                    return *known;
                }
                let fragment = self.document.fragments.get(name);
                let weight = fragment.map(|fragment| self.set(&fragment.selection_set));
                let weight = weight.unwrap_or_default();
                self.fragments.insert(name.clone(), weight);
                weight
            }
        }
    }

    fn field(&mut self, field: &Node<Field>) -> Weight {
        let below = self.set(&field.selection_set);
        let fields = below.fields.saturating_add(1);
        let depth = below.depth.saturating_add(1);
        if !is_connection(field) {
            return Weight { fields, depth, ..below };
        }
        let size = self.number(field, "first").or_else(|| self.number(field, "last"));
        let size = size.unwrap_or_default();
        Weight {
            requests: below.requests.saturating_mul(size).saturating_add(1),
            nodes: below.nodes.saturating_mul(size).saturating_add(size),
            fields,
            depth,
        }
    }

    fn number(&self, field: &Field, name: &str) -> Option<u64> {
        match field.specified_argument_by_name(name)?.as_ref() {
            Value::Variable(variable) => self.variables.get(variable.as_str())?.as_u64(),
            Value::Int(number) => {
                number.try_to_i32().ok().and_then(|number| number.try_into().ok())
            }
            _ => None,
        }
    }
}

/// True if a field is a list that is read in pages.
fn is_connection(field: &Field) -> bool {
    field.definition.ty.inner_named_type().ends_with("Connection")
        && field.definition.argument_by_name("first").is_some()
}

#[cfg(test)]
mod tests {
    use super::super::schema::github;
    use super::*;

    fn weighed(text: &str) -> Weight {
        let document = github().document(text).map_err(|why| why.to_string()).unwrap();
        let variables = [("n".into(), 50.into())].into_iter().collect();
        weigh(&document, document.operations.get(None).unwrap(), &variables)
    }

    #[test]
    fn the_examples_of_the_documentation() {
        // Docs, "Node limit" and "Calculating a rate limit score before running the call".
        let text = "{ viewer { repositories(first: 50) { edges { repository: node { name issues(first: 10) {
            totalCount edges { node { title bodyHTML } } } } } } } }";
        assert_eq!(weighed(text).nodes, 50 + 50 * 10);
        let text = "{ viewer { repositories(first: 50) { edges { repository: node { name
            pullRequests(first: 20) { edges { pullRequest: node { title comments(first: 10) { edges { comment: node { bodyHTML } } } } } }
            issues(first: 20) { totalCount edges { issue: node { title bodyHTML comments(first: 10) { edges { comment: node { bodyHTML } } } } } } } } }
            followers(first: 10) { edges { follower: node { login } } } } }";
        assert_eq!(weighed(text).nodes, 50 + 50 * 20 + 50 * 20 * 10 + 50 * 20 + 50 * 20 * 10 + 10);
        let text = "{ viewer { login repositories(first: 100) { edges { node { id issues(first: 50) { edges { node { id
            labels(first: 60) { edges { node { id name } } } } } } } } } } }";
        let weight = weighed(text);
        assert_eq!((weight.requests, weight.points()), (5_101, 51));
    }

    #[test]
    fn what_has_no_connection_costs_one_point_and_variables_and_fragments_count() {
        let none = weighed("{ viewer { login } rateLimit { cost } }");
        assert_eq!((none.requests, none.points(), none.nodes), (0, 1, 0));
        assert_eq!((none.fields, none.depth), (4, 2));
        let text = "query($n: Int) { a: viewer { ...R } b: viewer { ...R } }
            fragment R on User { repositories(last: $n) { nodes { id } } }";
        assert_eq!((weighed(text).requests, weighed(text).nodes), (2, 100));
    }

    #[test]
    fn fragments_that_double_are_counted_without_being_written_out() {
        let fragment = |index: usize| {
            let owner = format!("owner {{ ...F{} }}", index + 1);
            format!(
                "fragment F{index} on User {{
                    a: repository(name: \"x\") {{ {owner} }} b: repository(name: \"y\") {{ {owner} }}
                }} "
            )
        };
        let fragments: String = (0..60).map(fragment).collect();
        let text = format!("{{ viewer {{ ...F0 }} }} {fragments} fragment F60 on User {{ login }}");
        let weight = weighed(&text);
        assert!(weight.fields > MAX_FIELDS && weight.depth > MAX_DEPTH, "{weight:?}");
    }
}
