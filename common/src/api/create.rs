//! `POST /api/v1/runners`: the request, checked field by field so that every mistake is told at once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::label::{Label, LabelSet, MAX_LABELS};
use crate::name::{MAX_NAME_LENGTH, RunnerName};
use crate::problem::{FieldError, Problem};
use crate::scope::{InvalidScope, Scope, ScopeKind};

/// Most runners one request may ask for.
pub const MAX_COUNT: u8 = 10;
/// Longest name a request for several runners may give, in characters: their numbers (`-1` to `-10`) must still fit.
pub const MAX_NUMBERED_NAME_LENGTH: usize = MAX_NAME_LENGTH - 3;
/// Longest runner group name, in characters.
const MAX_GROUP_LENGTH: usize = 64;
const FIELDS: [&str; 6] = ["scope", "scope_name", "runner_name", "runner_group", "labels", "count"];

/// A valid request for runners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRunners {
    /// Where they register.
    pub scope: Scope,
    /// Their names: one per runner when the request gave a name, else none and names are made up.
    pub names: Vec<RunnerName>,
    /// The runner group, by name; none means GitHub's default group.
    pub group: Option<String>,
    /// Their labels; none means the pool's.
    pub labels: Option<LabelSet>,
    /// How many, 1 to [`MAX_COUNT`].
    pub count: u8,
}

/// The request as it travels. [`CreateRunners::from_json`] is what reads it; this type is what the OpenAPI document shows.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = CreateRunners)]
#[serde(deny_unknown_fields)]
pub struct CreateRunnersBody {
    /// Where the runners register.
    pub scope: ScopeKind,
    /// `owner/repo` for a repository, the login for an organisation, the slug for an enterprise.
    #[schema(max_length = 140, example = "octo-org/octo-repo")]
    pub scope_name: String,
    /// A name for the runner; with `count` above 1, `-1`, `-2`, … is appended.
    #[schema(
        min_length = 2,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{1,63}$",
        nullable
    )]
    pub runner_name: Option<String>,
    /// The runner group, by name. Only organisations and enterprises have groups.
    #[schema(min_length = 1, max_length = 64, nullable)]
    pub runner_group: Option<String>,
    /// The runners' labels; without, the configured ones.
    #[schema(min_items = 1, max_items = 100, nullable)]
    pub labels: Option<Vec<String>>,
    /// How many runners.
    #[schema(minimum = 1, maximum = 10, default = 1)]
    pub count: Option<u8>,
}

impl CreateRunners {
    /// Reads a request body.
    ///
    /// Errors: 400 when it is not a JSON object, 422 listing every bad field otherwise.
    pub fn from_json(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))?;
        let Value::Object(fields) = value else {
            return Err(Problem::invalid(vec![field("", "must be an object")]));
        };
        Reader { fields: &fields, errors: Vec::new() }.read().map_err(Problem::invalid)
    }
}

fn field(pointer: &str, detail: impl Into<String>) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.into() }
}

/// Walks the fields, keeping every error.
struct Reader<'a> {
    fields: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<CreateRunners, Vec<FieldError>> {
        for name in self.fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            self.errors.push(field(
                &format!("/{escaped}"),
                format!("is not a known field; known are {}", FIELDS.join(", ")),
            ));
        }
        let scope = self.scope();
        let count = self.count();
        let names = self.names(count);
        let group = self.group(scope.as_ref());
        let labels = self.labels();
        match scope {
            Some(scope) if self.errors.is_empty() => {
                Ok(CreateRunners { scope, names, group, labels, count })
            }
            _ => Err(self.errors),
        }
    }

    fn fail<T>(&mut self, pointer: &str, detail: impl Into<String>) -> Option<T> {
        self.errors.push(field(pointer, detail));
        None
    }

    /// A string field; `null` counts as absent where the field is optional.
    fn text(&mut self, name: &str, required: bool) -> Option<String> {
        match self.fields.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            None | Some(Value::Null) if !required => None,
            None => self.fail(&format!("/{name}"), "is required"),
            Some(_) => self.fail(&format!("/{name}"), "must be a string"),
        }
    }

    fn scope(&mut self) -> Option<Scope> {
        let kind = self.text("scope", true);
        let kind = match kind.as_deref() {
            Some("repo") => Some(ScopeKind::Repo),
            Some("org") => Some(ScopeKind::Org),
            Some("enterprise") => Some(ScopeKind::Enterprise),
            Some(_) => self.fail("/scope", "must be \"repo\", \"org\" or \"enterprise\""),
            None => None,
        };
        let name = self.text("scope_name", true)?;
        match Scope::parse(kind?, &name) {
            Ok(scope) => Some(scope),
            Err(error @ InvalidScope::Login) if kind == Some(ScopeKind::Org) => {
                self.fail("/scope_name", error.to_string().replacen("owner", "organisation", 1))
            }
            Err(error) => self.fail("/scope_name", error.to_string()),
        }
    }

    fn count(&mut self) -> u8 {
        let wrong = format!("must be a whole number from 1 to {MAX_COUNT}");
        let count = match self.fields.get("count") {
            None | Some(Value::Null) => return 1,
            Some(value) => value.as_u64().or_else(|| value.as_f64().and_then(whole)),
        };
        match count.and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=MAX_COUNT).contains(n)) {
            Some(count) => count,
            None => self.fail("/count", wrong).unwrap_or(1),
        }
    }

    fn names(&mut self, count: u8) -> Vec<RunnerName> {
        let Some(text) = self.text("runner_name", false) else { return Vec::new() };
        // The same limit for all numbers, so that the OpenAPI schema can say it.
        if count > 1 && text.chars().count() > MAX_NUMBERED_NAME_LENGTH {
            let why = format!(
                "must have 2 to {MAX_NUMBERED_NAME_LENGTH} characters where several runners are numbered"
            );
            return self.fail("/runner_name", why).unwrap_or_default();
        }
        let names: Vec<String> = match count {
            1 => vec![text],
            _ => (1..=count).map(|index| format!("{text}-{index}")).collect(),
        };
        match names.iter().map(|name| RunnerName::parse(name)).collect() {
            Ok(names) => names,
            Err(error) => self.fail("/runner_name", error.to_string()).unwrap_or_default(),
        }
    }

    fn group(&mut self, scope: Option<&Scope>) -> Option<String> {
        let group = self.text("runner_group", false)?;
        if group.trim().is_empty()
            || group.chars().count() > MAX_GROUP_LENGTH
            || group.chars().any(char::is_control)
        {
            return self.fail(
                "/runner_group",
                format!("must have 1 to {MAX_GROUP_LENGTH} printable characters"),
            );
        }
        if matches!(scope, Some(Scope::Repo(_))) && !group.eq_ignore_ascii_case("default") {
            return self.fail(
                "/runner_group",
                "only organisations and enterprises have runner groups; leave it out for a repository",
            );
        }
        Some(group)
    }

    fn labels(&mut self) -> Option<LabelSet> {
        let items = match self.fields.get("labels") {
            None | Some(Value::Null) => return None,
            Some(Value::Array(items)) => items,
            Some(_) => return self.fail("/labels", "must be a list of strings"),
        };
        if items.is_empty() || items.len() > MAX_LABELS {
            return self.fail("/labels", format!("must hold 1 to {MAX_LABELS} labels"));
        }
        let mut labels = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let pointer = format!("/labels/{index}");
            match item.as_str().map(Label::parse) {
                Some(Ok(label)) => labels.push(label),
                Some(Err(error)) => self.errors.push(field(&pointer, error.to_string())),
                None => self.errors.push(field(&pointer, "must be a string")),
            }
        }
        Some(labels.into_iter().collect())
    }
}

/// A whole number from 1 to [`MAX_COUNT`] that was written as a float: JSON Schema counts `2.0` as an integer.
fn whole(number: f64) -> Option<u64> {
    (1..=MAX_COUNT).find(|n| (f64::from(*n) - number).abs() < f64::EPSILON).map(u64::from)
}

#[cfg(test)]
mod tests;
