//! Whether requests and answers fit an `OpenAPI` 3.0 description, such as GitHub's own of its REST API.
//!
//! Checked are the operation, path and query parameters, the request's body (also for fields the description does not
//! know), the status, and the answer's body. `OpenAPI` 3.0 is JSON Schema but for `nullable`, which is translated.
//! GraphQL questions and answers are held to GitHub's schema, which this crate has.

mod graphql;
mod schema;

use http::Method;
use serde_json::Value;

pub use graphql::{check_graphql_request, check_graphql_response};

/// Statuses any operation may answer, whether or not its description lists them: GitHub's list omits most of them.
const GENERAL: [u16; 6] = [304, 401, 403, 404, 422, 429];

/// A description, ready to check against.
pub struct Description {
    document: Value,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    template: String,
    segments: Vec<Segment>,
    /// The JSON pointer to the operation, and to its path item.
    pointer: String,
    path_pointer: String,
}

#[derive(PartialEq)]
enum Segment {
    Fixed(String),
    Parameter(String),
}

impl Description {
    /// Reads a description.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let mut operations = Vec::new();
        for (template, item) in
            document.get("paths").and_then(Value::as_object).into_iter().flatten()
        {
            let methods = item.as_object().into_iter().flat_map(|item| item.keys());
            for method in methods.filter(|name| is_method(name)) {
                let segment = |part: &str| {
                    let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
                    name.map_or_else(
                        || Segment::Fixed(part.to_owned()),
                        |name| Segment::Parameter(name.to_owned()),
                    )
                };
                let path_pointer = format!("/paths/{}", schema::escaped(template));
                operations.push(Operation {
                    method: method.to_uppercase(),
                    template: template.clone(),
                    segments: template.split('/').map(segment).collect(),
                    pointer: format!("{path_pointer}/{method}"),
                    path_pointer,
                });
            }
        }
        // A fixed segment wins over a parameter.
        operations.sort_by_key(|operation| {
            let parameter = |part: &Segment| matches!(part, Segment::Parameter(_));
            operation.segments.iter().filter(|part| parameter(part)).count()
        });
        Ok(Self { document, operations })
    }

    /// Every operation as method and path template.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.operations.iter().map(|one| (one.method.as_str(), one.template.as_str()))
    }

    /// What is wrong with a request; empty if nothing is. `body` is empty if there is none.
    pub fn check_request(&self, method: &str, path_and_query: &str, body: &[u8]) -> Vec<String> {
        let (path, query) = split(path_and_query);
        let Some((operation, values)) = self.find(method, path) else {
            return vec![format!("{method} {path} is not described")];
        };
        let mut wrong = Vec::new();
        let parameters = self.parameters(operation);
        let known = |place: &str, name: &str| {
            parameters.iter().find(|p| p["in"] == place && p["name"] == name)
        };
        let query = crate::http::shared::query(Some(query));
        let given = query.iter().map(|(name, value)| ("query", name.as_str(), value.clone()));
        let in_path = values.iter().map(|(name, value)| ("path", *name, value.clone()));
        for (place, name, value) in given.chain(in_path) {
            match known(place, name) {
                None => wrong.push(format!("{place} parameter {name} is not described")),
                Some(parameter) => {
                    let typed = typed(&value, &parameter["schema"]);
                    wrong.extend(self.check(&parameter["schema"], &typed, name));
                }
            }
        }
        for parameter in parameters.iter().filter(|p| p["required"] == true && p["in"] == "query") {
            let name = parameter["name"].as_str().unwrap_or_default();
            if !query.contains_key(name) {
                wrong.push(format!("query parameter {name} is required"));
            }
        }
        wrong.extend(self.check_body(operation, body));
        wrong
    }

    fn check_body(&self, operation: &Operation, body: &[u8]) -> Vec<String> {
        let described = self.at(&format!("{}/requestBody", operation.pointer));
        let Some(described) = described else {
            let empty = body.is_empty();
            return if empty { Vec::new() } else { vec!["there must be no body".to_owned()] };
        };
        if body.is_empty() {
            let required = described["required"] == true;
            return if required { vec!["a body is required".to_owned()] } else { Vec::new() };
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return vec!["the body is not JSON".to_owned()];
        };
        let schema = self.resolved(&described["content"]["application/json"]["schema"]);
        let mut wrong = self.check(&schema, &body, "body");
        if let (Some(fields), Some(known)) = (body.as_object(), schema["properties"].as_object()) {
            let unknown = fields.keys().filter(|name| !known.contains_key(*name));
            wrong.extend(unknown.map(|name| format!("body: field {name} is not described")));
        }
        wrong
    }

    /// What is wrong with an answer; empty if nothing is. `content_type` is the header's value, if there is one.
    pub fn check_response(
        &self,
        method: &str,
        path_and_query: &str,
        status: u16,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Vec<String> {
        let (path, _) = split(path_and_query);
        let Some((operation, _)) = self.find(method, path) else {
            return vec![format!("{method} {path} is not described")];
        };
        let described = self.at(&format!("{}/responses/{status}", operation.pointer));
        let Some(described) = described else {
            if !GENERAL.contains(&status) {
                return vec![format!("status {status} is not described for {method} {path}")];
            }
            return self.check_general(status, body);
        };
        let Some(content) = described.get("content").and_then(Value::as_object) else {
            let empty = body.is_empty();
            return if empty { Vec::new() } else { vec![format!("{status} must have no body")] };
        };
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if media.starts_with("application/vnd.github.raw") {
            return Vec::new();
        }
        // The media type asked for decides the schema; the answer's own says only "JSON".
        let Some(schema) = content.get(media).and_then(|media| media.get("schema")) else {
            return vec![format!("media type {media:?} is not described for {status}")];
        };
        match serde_json::from_slice::<Value>(body) {
            Ok(body) => self.check(schema, &body, "answer"),
            Err(why) => vec![format!("the answer is not JSON: {why}")],
        }
    }

    /// What is wrong with a value of the component schema of this name, for example the body of a webhook.
    pub fn check_component(&self, name: &str, value: &Value) -> Vec<String> {
        let pointer = format!("#/components/schemas/{}", schema::escaped(name));
        self.check(&serde_json::json!({"$ref": pointer}), value, name)
    }

    fn check_general(&self, status: u16, body: &[u8]) -> Vec<String> {
        if status == 304 {
            let empty = body.is_empty();
            return if empty { Vec::new() } else { vec!["304 must have no body".to_owned()] };
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return vec!["the answer is not JSON".to_owned()];
        };
        let mut wrong = self.check(
            &serde_json::json!({"$ref": "#/components/schemas/basic-error"}),
            &body,
            "answer",
        );
        if !body["message"].is_string() {
            wrong.push("the answer lacks a message".to_owned());
        }
        wrong
    }

    /// Checks a value against a schema of this description.
    fn check(&self, schema: &Value, value: &Value, what: &str) -> Vec<String> {
        let compiled = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema::standalone(&self.document, schema));
        match compiled {
            Err(why) => vec![format!("{what}: the schema itself is wrong: {why}")],
            Ok(validator) => validator
                .iter_errors(value)
                .map(|error| format!("{what}{}: {error}", error.instance_path))
                .collect(),
        }
    }

    fn find(&self, method: &str, path: &str) -> Option<(&Operation, Vec<(&str, String)>)> {
        let find = |path: &str| {
            let mut mine =
                self.operations.iter().filter(|one| one.method.eq_ignore_ascii_case(method));
            mine.find_map(|one| Some((one, one.values(path)?)))
        };
        find(path).or_else(|| find(&alias(path)?))
    }

    fn parameters(&self, operation: &Operation) -> Vec<Value> {
        let own = self.document.pointer(&format!("{}/parameters", operation.pointer));
        let shared = self.document.pointer(&format!("{}/parameters", operation.path_pointer));
        let all = [own, shared].into_iter().flatten().filter_map(Value::as_array).flatten();
        all.map(|parameter| self.resolved(parameter)).collect()
    }

    fn at(&self, pointer: &str) -> Option<Value> {
        self.document.pointer(pointer).map(|value| self.resolved(value))
    }

    /// The value itself, or what it refers to.
    fn resolved(&self, value: &Value) -> Value {
        let reference = value.get("$ref").and_then(Value::as_str);
        let target = reference
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| self.document.pointer(pointer));
        target.unwrap_or(value).clone()
    }
}

impl Operation {
    /// The values of the path's parameters, if the path is this operation's. Only a last parameter `path` holds slashes.
    fn values(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let parts: Vec<&str> = path.split('/').collect();
        let deep = self.segments.last() == Some(&Segment::Parameter("path".to_owned()));
        if parts.len() < self.segments.len() || (parts.len() > self.segments.len() && !deep) {
            return None;
        }
        let mut values = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Fixed(text) if text == parts[index] => {}
                Segment::Fixed(_) => return None,
                Segment::Parameter(name) => {
                    let last = index + 1 == self.segments.len();
                    let text =
                        if last { parts[index..].join("/") } else { parts[index].to_owned() };
                    values.push((name.as_str(), crate::http::shared::decode(&text)));
                }
            }
        }
        Some(values)
    }
}

fn is_method(name: &str) -> bool {
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .iter()
        .any(|method| method.as_str().eq_ignore_ascii_case(name))
}

fn split(path_and_query: &str) -> (&str, &str) {
    path_and_query.split_once('?').unwrap_or((path_and_query, ""))
}

/// The described path that stands for one that is served alike and not described: redirects lead to `/repositories/{id}`,
/// an enterprise's runners are as an organisation's, and a user's installation as one of theirs.
fn alias(path: &str) -> Option<String> {
    let (first, rest) = path.strip_prefix('/')?.split_once('/')?;
    match first {
        "repositories" => {
            let (id, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            id.parse::<u64>().ok().map(|_| format!("/repos/owner/repo{below}"))
        }
        "enterprises" if rest.contains("/actions/runner") => Some(format!("/orgs/{rest}")),
        "users" if rest.ends_with("/installation") => Some(format!("/orgs/{rest}")),
        _ => None,
    }
}

/// A parameter's text without what its description forgets: `created` is declared a time, and its documentation says that
/// it takes the comparisons of the search syntax.
fn without_comparison<'a>(text: &'a str, schema: &Value) -> &'a str {
    let time = schema["format"] == "date-time";
    if time { text.trim_start_matches(['<', '>']).trim_start_matches('=') } else { text }
}

/// A parameter's text as the type its schema asks for; left a text where it is not of that type, which the check then says.
fn typed(text: &str, schema: &Value) -> Value {
    let text = without_comparison(text, schema);
    let parsed = match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::Description;

    const TEXT: &str = r##"{"paths": {
      "/things/{id}": {"put": {
        "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
                       {"name": "sort", "in": "query", "schema": {"type": "string", "enum": ["up", "down"]}}],
        "requestBody": {"required": true, "content": {"application/json": {"schema":
          {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}},
        "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/thing"}}}}, "204": {}}}},
      "/things/special": {"get": {"responses": {"200": {}}}}},
     "components": {"schemas": {
        "thing": {"type": "object", "required": ["at"], "properties": {"at": {"type": "string", "nullable": true, "format": "date-time"}, "next": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/thing"}]}}},
        "basic-error": {"type": "object", "properties": {"message": {"type": "string"}}}}}}"##;

    #[test]
    fn requests() {
        let description = Description::from_json(TEXT).unwrap();
        let check = |path, body: &str| description.check_request("put", path, body.as_bytes());
        assert!(check("/things/1?sort=up", r#"{"name": "x"}"#).is_empty());
        for (path, body) in [
            ("/things/x", r#"{"name": "x"}"#),
            ("/things/1?sort=left", r#"{"name": "x"}"#),
            ("/things/1?other=1", r#"{"name": "x"}"#),
            ("/things/1", ""),
            ("/things/1", "{}"),
            ("/things/1", r#"{"name": 1}"#),
            ("/things/1", r#"{"name": "x", "more": 1}"#),
            ("/nothing", ""),
        ] {
            assert_eq!(check(path, body).len(), 1, "{path} {body}: {:?}", check(path, body));
        }
        assert!(description.check_request("GET", "/things/special", b"").is_empty());
        assert_eq!(description.check_request("GET", "/things/special", b"{}").len(), 1);
        assert!(description.check_component("thing", &serde_json::json!({"at": null})).is_empty());
        assert_eq!(description.check_component("thing", &serde_json::json!({})).len(), 1);
    }

    #[test]
    fn what_is_served_alike_is_checked_alike() {
        for (path, described) in [
            ("/repositories/12/actions/runs", Some("/repos/owner/repo/actions/runs")),
            ("/repositories/12", Some("/repos/owner/repo")),
            ("/repositories/x", None),
            ("/enterprises/e/actions/runners", Some("/orgs/e/actions/runners")),
            ("/users/u/installation", Some("/orgs/u/installation")),
            ("/users/u", None),
        ] {
            assert_eq!(super::alias(path).as_deref(), described, "{path}");
        }
    }

    #[test]
    fn answers() {
        let description = Description::from_json(TEXT).unwrap();
        let check = |status, body: &str| {
            let kind = Some("application/json; charset=utf-8");
            description.check_response("PUT", "/things/1", status, kind, body.as_bytes())
        };
        assert!(
            check(200, r#"{"at": null, "next": {"at": "2026-11-21T00:00:00Z", "next": null}}"#)
                .is_empty()
        );
        assert!(check(204, "").is_empty());
        assert!(check(404, r#"{"message": "Not Found"}"#).is_empty());
        for (status, body) in [
            (200, "{}"),
            (200, r#"{"at": "yesterday"}"#),
            (200, r#"{"at": null, "next": {}}"#),
            (200, "<html>"),
            (204, "{}"),
            (404, "{}"),
            (418, "{}"),
        ] {
            assert!(!check(status, body).is_empty(), "{status} {body}");
        }
    }
}
