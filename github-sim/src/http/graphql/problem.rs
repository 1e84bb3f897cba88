//! What is wrong with a request or a field, in GitHub's form: `type`, `path`, `locations`, `message`.
//!
//! The engine's errors hold a message and nothing else, so that an error's type travels in front of it.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Field;
use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::validation::DiagnosticList;
use serde_json::{Value, json};

/// Between the type and the message; no message has it.
const SEPARATOR: char = '\u{1f}';
/// What the engine puts before messages of resolvers.
const ENGINE: &str = "resolver error: ";

/// The `type` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    NotFound,
    Forbidden,
    RateLimited,
    MissingPaginationBoundaries,
    ExcessivePagination,
    InvalidCursor,
    ArgumentError,
    MaxNodeLimitExceeded,
    ResourceLimitsExceeded,
    /// Not GitHub's: GitHub would answer here, the simulator does not.
    NotSimulated,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::MissingPaginationBoundaries => "MISSING_PAGINATION_BOUNDARIES",
            Self::ExcessivePagination => "EXCESSIVE_PAGINATION",
            Self::InvalidCursor => "INVALID_CURSOR_ARGUMENTS",
            Self::ArgumentError => "ARGUMENT_ERROR",
            Self::MaxNodeLimitExceeded => "MAX_NODE_LIMIT_EXCEEDED",
            Self::ResourceLimitsExceeded => "RESOURCE_LIMITS_EXCEEDED",
            Self::NotSimulated => "NOT_SIMULATED",
        }
    }
}

/// An error with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A field that GitHub has and the simulator has not.
    pub(crate) fn not_simulated(object: &str, field: &str) -> Self {
        let message = format!("`{object}.{field}` is in GitHub's schema, but not simulated");
        Self::new(Kind::NotSimulated, message)
    }

    /// As an error of the request as a whole.
    pub(crate) fn of_request(&self) -> Value {
        json!({"type": self.kind.as_str(), "message": self.message})
    }

    /// As the error of the item at `index` of a list at the root.
    pub(crate) fn of_item(
        &self,
        field: &Field,
        index: usize,
        document: &ExecutableDocument,
    ) -> Value {
        let location = field.name.location();
        let location = location.and_then(|location| location.line_column(&document.sources));
        json!({
            "type": self.kind.as_str(),
            "path": [field.response_key().as_str(), index],
            "locations": location.into_iter().collect::<Vec<_>>(),
            "message": self.message,
        })
    }
}

impl From<Problem> for FieldError {
    fn from(problem: Problem) -> Self {
        let Problem { kind, message } = problem;
        Self { message: format!("{}{SEPARATOR}{message}", kind.as_str()) }
    }
}

/// The engine's error in GitHub's form.
pub(crate) fn executed(error: &GraphQLError) -> Value {
    let message = error.message.strip_prefix(ENGINE).unwrap_or(&error.message);
    let (kind, message) = message.split_once(SEPARATOR).unwrap_or(("INTERNAL", message));
    json!({
        "type": kind,
        "path": error.path,
        "locations": error.locations,
        "message": message,
    })
}

/// What is wrong with a document, none of which was executed. GitHub gives these no `type`.
pub(crate) fn invalid(errors: &DiagnosticList) -> Vec<Value> {
    let shown = errors.iter().map(|error| error.unstable_to_json_compat());
    shown.map(|error| of_document(&error)).collect()
}

pub(crate) fn of_document(error: &GraphQLError) -> Value {
    json!({"locations": error.locations, "message": error.message})
}
