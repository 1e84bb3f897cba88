//! The JSON Schema of `POST /runners`: what `CreateRunners::from_json` takes, said in a schema.
//!
//! Invariant: the limits are those of `mayfly_common`; the test below holds the two against each other.

use std::borrow::Cow;

use mayfly_common::api::{MAX_COUNT, MAX_NUMBERED_NAME_LENGTH};
use mayfly_common::label::{MAX_LABEL_LENGTH, MAX_LABELS};
use mayfly_common::name::MAX_NAME_LENGTH;
use mayfly_common::scope::MAX_ENTERPRISE_LENGTH;
use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A login: letters and digits with single hyphens between, and the suffix of enterprise-managed users.
const LOGIN: &str = "[A-Za-z0-9](?:-?[A-Za-z0-9])*(?:-?_[A-Za-z0-9]+)?";
/// A group's name has at least one visible character and no control character.
const GROUP: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

/// Stands for the request body in the OpenAPI document.
pub(super) struct CreateBody;

impl ToSchema for CreateBody {
    fn name() -> Cow<'static, str> {
        "CreateRunners".into()
    }
}

impl PartialSchema for CreateBody {
    fn schema() -> RefOr<Schema> {
        let repository =
            format!(r"^(?=[^/]{{1,39}}/){LOGIN}/(?!\.{{1,2}}$)[A-Za-z0-9_.-]{{1,100}}$");
        let repository = text("The repository, as `owner/repo`.")
            .pattern(Some(repository))
            .max_length(Some(140))
            .examples([json!("octo-org/octo-repo")])
            .build();
        let organization = text("The organisation's login.")
            .pattern(Some(format!("^{LOGIN}$")))
            .max_length(Some(39))
            .examples([json!("octo-org")])
            .build();
        let enterprise = text("The enterprise's slug: its name in the address of its page.")
            .pattern(Some(format!("^[A-Za-z0-9-]{{1,{MAX_ENTERPRISE_LENGTH}}}$")))
            .max_length(Some(MAX_ENTERPRISE_LENGTH))
            .examples([json!("octo-corp")])
            .build();
        let no_group = nullable(Type::String)
            .description(Some(
                "Only organisations and enterprises have runner groups: leave it out.",
            ))
            .enum_values(Some([json!("default"), Value::Null]))
            .build();
        let group = nullable(Type::String)
            .description(Some("The runner group, by name; without, GitHub's default group."))
            .min_length(Some(1))
            .max_length(Some(64))
            .pattern(Some(GROUP))
            .build();
        let forms = OneOfBuilder::new()
            .description(Some("Which runners to start."))
            .item(form("One runner for a repository", "repo", &repository, &no_group, &ONE))
            .item(form(
                "Several runners for a repository",
                "repo",
                &repository,
                &no_group,
                &SEVERAL,
            ))
            .item(form("One runner for an organisation", "org", &organization, &group, &ONE))
            .item(form(
                "Several runners for an organisation",
                "org",
                &organization,
                &group,
                &SEVERAL,
            ))
            .item(form("One runner for an enterprise", "enterprise", &enterprise, &group, &ONE))
            .item(form(
                "Several runners for an enterprise",
                "enterprise",
                &enterprise,
                &group,
                &SEVERAL,
            ))
            .build();
        Schema::OneOf(forms).into()
    }
}

/// How many runners a form is for, and how long their name may be: numbers take room.
struct Number {
    least: u8,
    most: u8,
    longest_name: usize,
}

const ONE: Number = Number { least: 1, most: 1, longest_name: MAX_NAME_LENGTH };
const SEVERAL: Number =
    Number { least: 2, most: MAX_COUNT, longest_name: MAX_NUMBERED_NAME_LENGTH };

fn form(title: &str, scope: &str, name: &Object, group: &Object, number: &Number) -> Object {
    let scope = text("Where the runners register.").enum_values(Some([scope]));
    let runner_name = nullable(Type::String)
        .description(Some("A name for the runner. With `count` above 1, `-1`, `-2` and so on is appended. Without, names are made up."))
        .pattern(Some(format!("^[A-Za-z0-9][A-Za-z0-9_.-]{{1,{}}}$", number.longest_name - 1)))
        .min_length(Some(2))
        .max_length(Some(number.longest_name))
        .examples([json!("build-box")]);
    let label = text("A label: jobs ask for it in `runs-on`. Case does not matter.")
        .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"))
        .min_length(Some(1))
        .max_length(Some(MAX_LABEL_LENGTH));
    let labels = ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .description(Some("The runners' labels. Without, those the platform is configured with."))
        .items(label)
        .min_items(Some(1))
        .max_items(Some(MAX_LABELS))
        .examples([json!(["self-hosted", "linux", "x64"])]);
    let count = if number.least == 1 {
        nullable(Type::Integer).default(Some(json!(1)))
    } else {
        ObjectBuilder::new().schema_type(Type::Integer)
    };
    let count = count
        .description(Some("How many runners to start."))
        .minimum(Some(number.least))
        .maximum(Some(number.most));
    let form = ObjectBuilder::new()
        .title(Some(title))
        .property("scope", scope)
        .required("scope")
        .property("scope_name", name.clone())
        .required("scope_name")
        .property("runner_name", runner_name)
        .property("runner_group", group.clone())
        .property("labels", labels)
        .property("count", count)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let form = if number.least == 1 { form } else { form.required("count") };
    form.build()
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn nullable(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}
