//! Values of scalar types, in the forms that GitHub's documentation gives them ("Scalars").

use jiff::Timestamp;
use serde_json::Value;

/// What is wrong with a value that is not null.
pub(super) fn wrong(name: &str, value: &Value) -> Option<String> {
    let text = value.as_str();
    let fits = match name {
        "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "Float" => value.is_number(),
        "Boolean" => value.is_boolean(),
        "DateTime" | "PreciseDateTime" | "GitTimestamp" => {
            text.is_some_and(|text| text.parse::<Timestamp>().is_ok())
        }
        "Date" => text.is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
        "GitObjectID" => {
            text.is_some_and(|text| text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        "URI" => text.is_some_and(|text| !text.is_empty() && text.parse::<http::Uri>().is_ok()),
        "BigInt" => text.is_some_and(|text| text.parse::<i128>().is_ok()),
        // An id is never empty; all others are any text.
        "ID" => text.is_some_and(|text| !text.is_empty()),
        _ => text.is_some(),
    };
    (!fits).then(|| format!("{value} is no {name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values() {
        let oid = "ce013625030ba8dba906f756967f9e9ca394464a";
        let cases = [
            ("Int", json!(1), true),
            ("Int", json!(2_147_483_648_i64), false),
            ("Int", json!("1"), false),
            ("Float", json!(1.5), true),
            ("Boolean", json!(0), false),
            ("String", json!(""), true),
            ("String", json!(1), false),
            ("ID", json!("x"), true),
            ("ID", json!(""), false),
            ("DateTime", json!("2026-11-21T00:00:00Z"), true),
            ("DateTime", json!("2026-11-21"), false),
            ("Date", json!("2026-11-21"), true),
            ("GitObjectID", json!(oid), true),
            ("GitObjectID", json!(&oid[1..]), false),
            ("URI", json!("https://github.com/o/r"), true),
            ("URI", json!("/o/r"), true),
            ("URI", json!("not a uri"), false),
            ("BigInt", json!("12"), true),
        ];
        for (name, value, fits) in cases {
            assert_eq!(wrong(name, &value).is_none(), fits, "{name} {value}");
        }
    }
}
