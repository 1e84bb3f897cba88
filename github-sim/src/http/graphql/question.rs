//! A question, from the body of a request to something that can be answered.

use apollo_compiler::executable::Operation;
use apollo_compiler::introspection;
use apollo_compiler::request::{RequestError, coerce_variable_values};
use apollo_compiler::response::serde_json_bytes::ByteString;
use apollo_compiler::response::{GraphQLError, JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Node};
use serde_json::{Map, Value};

use super::problem::{self, Kind, Problem};
use super::schema::GitHubSchema;
use super::weight::{MAX_DEPTH, MAX_FIELDS, MAX_NODES, Weight, weigh};

/// What the body of a request holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) operation: Option<String>,
    pub(crate) variables: Map<String, Value>,
}

/// A question that fits the schema.
pub(crate) struct Question {
    pub(crate) document: Valid<ExecutableDocument>,
    pub(crate) operation: Node<Operation>,
    pub(crate) variables: Valid<JsonMap>,
    pub(crate) weight: Weight,
}

impl Asked {
    /// Reads a body; the error is what to say about it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, &'static str> {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Err("Problems parsing JSON");
        };
        let Value::Object(mut fields) = body else { return Err("Body should be a JSON object") };
        let Some(Value::String(query)) = fields.remove("query") else {
            return Err("A query attribute must be specified and must be a string.");
        };
        let operation = match fields.remove("operationName") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err("The operationName attribute must be a string."),
        };
        let variables = match fields.remove("variables") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(variables)) => variables,
            Some(_) => return Err("The variables attribute must be a JSON object."),
        };
        Ok(Self { query, operation, variables })
    }

    /// Holds the question to the schema; the errors are in the form of an answer's.
    pub(crate) fn question(self, schema: &GitHubSchema) -> Result<Question, Vec<Value>> {
        let document = schema.document(&self.query).map_err(|why| problem::invalid(&why))?;
        let refused = |why: &RequestError| {
            let error: GraphQLError = why.to_graphql_error(&document.sources);
            vec![problem::of_document(&error)]
        };
        // An empty name is no name.
        let name = self.operation.as_deref().filter(|name| !name.is_empty());
        let operation = document.operations.get(name).map_err(|why| refused(&why))?.clone();
        let values = self.variables.into_iter();
        let values = values.map(|(name, value)| (ByteString::from(name), JsonValue::from(value)));
        let values: JsonMap = values.collect();
        let variables = coerce_variable_values(&schema.types, &operation, &values);
        let variables = variables.map_err(|why| refused(&why))?;
        introspection::check_max_depth(&document, &operation).map_err(|why| refused(&why))?;
        let weight = weigh(&document, &operation, &variables);
        if let Some(problem) = too_heavy(&weight) {
            return Err(vec![problem.of_request()]);
        }
        Ok(Question { document, operation, variables, weight })
    }
}

fn too_heavy(weight: &Weight) -> Option<Problem> {
    if weight.nodes > MAX_NODES {
        let (asked, most) = (grouped(weight.nodes), grouped(MAX_NODES));
        let message = format!(
            "This query requests up to {asked} possible nodes which exceeds the maximum limit of {most}."
        );
        return Some(Problem::new(Kind::MaxNodeLimitExceeded, message));
    }
    let heavy = weight.fields > MAX_FIELDS || weight.depth > MAX_DEPTH;
    heavy.then(|| {
        Problem::new(Kind::ResourceLimitsExceeded, "Resource limits for this query exceeded.")
    })
}

/// A number with commas between its thousands, as GitHub words it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let place = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(place).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 999, 1_000, 12_345, 500_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "500,000", "1,234,567"]);
    }

    #[test]
    fn bodies() {
        let asked = |body: &str| Asked::read(body.as_bytes());
        let plain = asked(r#"{"query": "{ a }", "variables": null, "more": 1}"#).unwrap();
        let expected = Asked { query: "{ a }".into(), operation: None, variables: Map::new() };
        assert_eq!(plain, expected);
        let full = asked(r#"{"query": "q", "operationName": "n", "variables": {"a": 1}}"#).unwrap();
        assert_eq!((full.operation.as_deref(), &full.variables["a"]), (Some("n"), &json!(1)));
        for (body, word) in [
            ("", "parsing"),
            ("{\"query\": ", "parsing"),
            ("[]", "object"),
            ("{}", "query"),
            (r#"{"query": null}"#, "query"),
            (r#"{"query": 1}"#, "query"),
            (r#"{"query": "q", "variables": "{}"}"#, "variables"),
            (r#"{"query": "q", "variables": []}"#, "variables"),
            (r#"{"query": "q", "operationName": 1}"#, "operationName"),
        ] {
            assert!(asked(body).unwrap_err().contains(word), "{body}");
        }
    }
}
