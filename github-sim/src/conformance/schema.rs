//! From an `OpenAPI` 3.0 schema to a JSON Schema that stands alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// What has no meaning for validation, or another one in JSON Schema.
const DROPPED: [&str; 6] =
    ["discriminator", "example", "examples", "externalDocs", "nullable", "xml"];

/// `schema` with every component it refers to, directly or not.
pub(super) fn standalone(document: &Value, schema: &Value) -> Value {
    let mut root = translated(schema);
    let mut open = BTreeSet::new();
    references(&root, &mut open);
    let mut components = Map::new();
    while let Some(reference) = open.pop_first() {
        let Some(name) = reference.strip_prefix("#/components/schemas/") else { continue };
        if components.contains_key(name) {
            continue;
        }
        let component = document.pointer(&format!("/components/schemas/{}", escaped(name)));
        let component = translated(component.unwrap_or(&Value::Bool(false)));
        references(&component, &mut open);
        components.insert(name.to_owned(), component);
    }
    if root.get("$ref").is_some() {
        root = json!({"allOf": [root]});
    }
    if let Value::Object(root) = &mut root {
        root.insert("components".to_owned(), json!({"schemas": components}));
    }
    root
}

/// One JSON pointer segment (RFC 6901).
pub(super) fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// GitHub's description of `GET /app/installations` asks that `account` be a user and an enterprise at once, which GitHub's
/// answers are not; everywhere else it says "any of".
fn is_either_account(value: &Value) -> bool {
    let titles = value.as_array().into_iter().flatten().map(|part| part["title"].as_str());
    titles.eq([Some("Simple User"), Some("Enterprise")])
}

fn translated(schema: &Value) -> Value {
    let Value::Object(fields) = schema else {
        return match schema {
            Value::Array(items) => Value::Array(items.iter().map(translated).collect()),
            other => other.clone(),
        };
    };
    let mut translated_fields = Map::new();
    for (name, value) in fields {
        if name == "properties" {
            // Here the keys are names of properties, which may be spelled like keywords.
            let properties = value.as_object().into_iter().flatten();
            let properties: Map<String, Value> =
                properties.map(|(name, value)| (name.clone(), translated(value))).collect();
            translated_fields.insert(name.clone(), Value::Object(properties));
        } else if name == "enum" || name == "default" || name == "required" {
            translated_fields.insert(name.clone(), value.clone());
        } else if name == "allOf" && is_either_account(value) {
            translated_fields.insert("anyOf".to_owned(), translated(value));
        } else if !DROPPED.contains(&name.as_str()) {
            translated_fields.insert(name.clone(), translated(value));
        }
    }
    let translated = Value::Object(translated_fields);
    if fields.get("nullable") == Some(&Value::Bool(true)) {
        json!({"anyOf": [{"type": "null"}, translated]})
    } else {
        translated
    }
}
