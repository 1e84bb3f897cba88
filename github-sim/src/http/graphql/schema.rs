//! GitHub's own schema, read once.

use std::sync::LazyLock;

use apollo_compiler::collections::HashMap;
use apollo_compiler::parser::Parser;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Name, Schema};

const TEXT: &str = include_str!("schema.graphql");

/// How deep selections, values and types of a document may be nested, so that reading it does not use up the stack.
const NESTING: usize = 200;

/// The schema and what is made of it.
pub(crate) struct GitHubSchema {
    pub(crate) types: Valid<Schema>,
    pub(crate) implementers: HashMap<Name, Implementers>,
}

/// The schema; the first call reads it.
pub(crate) fn github() -> &'static GitHubSchema {
    static SCHEMA: LazyLock<GitHubSchema> = LazyLock::new(|| {
        // The file is part of the program, and a test knows what is wrong with it: validating it would cost every start.
        let types = Schema::parse(TEXT, "schema.graphql").unwrap_or_else(|why| why.partial);
        let types = Valid::assume_valid(types);
        let implementers = types.implementers_map();
        GitHubSchema { types, implementers }
    });
    &SCHEMA
}

impl GitHubSchema {
    /// A document that fits the schema, or what is wrong with it.
    pub(crate) fn document(&self, text: &str) -> Result<Valid<ExecutableDocument>, DiagnosticList> {
        let mut parser = Parser::new().recursion_limit(NESTING);
        let parsed = parser.parse_executable(&self.types, text, "query.graphql");
        let document = parsed.map_err(|why| why.errors)?;
        document.validate(&self.types).map_err(|why| why.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_and_as_valid_as_githubs() {
        let why = Schema::parse_and_validate(TEXT, "schema.graphql").unwrap_err();
        let errors: Vec<String> = why.errors.iter().map(|error| error.to_string()).collect();
        // GitHub's own file defines two fields of one type twice, in the same words; the first definitions count.
        let known = |error: &String| {
            error.contains("duplicate definitions") && error.contains("EnterpriseOwnerInfo")
        };
        assert!(errors.len() == 2 && errors.iter().all(known), "{errors:#?}");
        let schema = &github().types;
        // As counted in the package's file.
        assert_eq!(schema.types.values().filter(|one| !one.is_built_in()).count(), 1_623);
        assert!(schema.get_object("Repository").unwrap().fields.contains_key("pushedAt"));
        let query = schema.root_operation(apollo_compiler::ast::OperationType::Query);
        assert_eq!(query.unwrap(), "Query");
    }
}
