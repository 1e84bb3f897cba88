//! Finds the gateway's keys under names that nothing reads: the gateway would be open to all without its owner's knowledge.

use super::Checker;
use super::known::{OF_COMPOSE, in_compose, meant};

/// The variables of the gateway's keys.
const NAMES: [&str; 2] = ["API_KEYS", "API_KEYS_FILE"];
/// The variables of the command line's key.
const CALLERS: [&str; 2] = ["MAYFLY_API_KEY", "MAYFLY_API_KEY_FILE"];

impl Checker {
    /// Notes each variable that would have been the gateway's keys, had it the right name. Where keys are set properly these are
    /// [`super::known::unknown`] to warn of, and no error.
    pub fn api_keys_by_name(&mut self, variables: &[(String, String)]) {
        let set = || variables.iter().filter(|(_, value)| !value.trim().is_empty());
        // For Compose, case counts in names.
        let compose = in_compose(variables);
        let read = |known: &str, name: &str| {
            if compose { name == known } else { name.eq_ignore_ascii_case(known) }
        };
        let given = set().any(|(name, _)| NAMES.iter().any(|known| read(known, name)));
        for (name, _) in set() {
            let upper = name.to_ascii_uppercase();
            if compose && *name != upper && OF_COMPOSE.contains(&&*upper) {
                let reason =
                    format!("is not read by Compose, for which case counts: write {upper}");
                if NAMES.contains(&&*upper) && !given {
                    self.fail(name, format!("{reason}. Without a key anybody may call"));
                } else {
                    self.warn(name, reason);
                }
            } else if given {
            } else if let Some(known) = mistaken(name) {
                let reason = "is not read; is";
                self.fail(name, format!("{reason} {known} meant? Without a key anybody may call"));
            } else if CALLERS.contains(&&*upper) {
                self.warn(
                    name,
                    "is the command line's. Without API_KEYS or API_KEYS_FILE the gateway asks for no key",
                );
            }
        }
    }
}

/// The variable of the gateway's keys that `name` is probably meant to be, and is not.
fn mistaken(name: &str) -> Option<&'static str> {
    let known = meant(name)?;
    let of_callers = CALLERS.iter().position(|other| *other == known);
    let index = of_callers.or_else(|| NAMES.iter().position(|other| *other == known))?;
    NAMES.get(index).copied()
}

/// The variable of the keys that `name` spells in another way: other signs, singular or plural, a prefix.
pub(super) fn spelt_alike(name: &str) -> Option<&'static str> {
    let letters = |c: &char| c.is_ascii_alphanumeric();
    let letters: String = name.to_ascii_uppercase().chars().filter(letters).collect();
    let file = ["FILES", "FILE", "PATH"].iter().find_map(|end| letters.strip_suffix(end));
    let word = file.unwrap_or(&letters);
    let word = word.strip_suffix('S').unwrap_or(word).strip_suffix("KEY")?;
    let keys = ["API", "GATEWAYAPI", "APIGATEWAY", "GATEWAY", "APIGATEWAYAPI"].contains(&word);
    keys.then_some(NAMES[usize::from(file.is_some())])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: (&str, &str) = ("API_KEYS", "0123456789abcdef");
    const IN_COMPOSE: (&str, &str) = ("MAYFLY_ENV_FILE", ".env");

    /// The errors and the warnings, each without its end.
    fn found(pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let mut check = Checker::new();
        check.api_keys_by_name(&pairs.iter().map(owned).collect::<Vec<_>>());
        let warnings = check.take_warnings();
        (check.finish(Some(())).err().map(|errors| errors.0).unwrap_or_default(), warnings)
    }

    #[test]
    fn keys_under_another_name_are_an_error_unless_there_are_keys() {
        let rows = [
            ("API_KEY", "API_KEYS"),
            ("APIKEY", "API_KEYS"),
            ("APIKEYS", "API_KEYS"),
            ("apikeys", "API_KEYS"),
            ("api_key", "API_KEYS"),
            ("Api-Keys", "API_KEYS"),
            ("API_KYES", "API_KEYS"),
            ("API_KEYSS", "API_KEYS"),
            ("GATEWAY_API_KEYS", "API_KEYS"),
            ("GATEWAY_KEY", "API_KEYS"),
            ("API_GATEWAY_API_KEY", "API_KEYS"),
            ("MAYFLY_API_KYE", "API_KEYS"),
            ("MAYFLY_API_KEY_FIEL", "API_KEYS_FILE"),
            ("API_GATEWAY_KEY", "API_KEYS"),
            ("MAYFLY_API_KEYS", "API_KEYS"),
            ("API_KEY_FILE", "API_KEYS_FILE"),
            ("API_KEY_FILES", "API_KEYS_FILE"),
            ("API_KEYS_FILES", "API_KEYS_FILE"),
            ("APIKEYFILE", "API_KEYS_FILE"),
            ("API_KEYS_PATH", "API_KEYS_FILE"),
            ("MAYFLY_API_KEYS_FILE", "API_KEYS_FILE"),
        ];
        for (name, known) in rows {
            for compose in [&[][..], &[IN_COMPOSE]] {
                let with = |more: &[(&'static str, &'static str)]| {
                    found(&[&[(name, "0123456789abcdef")], compose, more].concat())
                };
                let line = format!(
                    "{name}: is not read; is {known} meant? Without a key anybody may call"
                );
                assert_eq!(with(&[]), (vec![line], vec![]));
                assert_eq!(with(&[GOOD]), (vec![], vec![]), "{name} beside keys");
                assert_eq!(with(&[("API_KEYS_FILE", "/keys")]), (vec![], vec![]), "{name}");
                assert_eq!(with(&[("API_KEYS", " ")]).0.len(), 1, "{name}: blank is unset");
            }
        }
        assert_eq!(found(&[("APIKEYS", " "), ("API_KEY", "")]), (vec![], vec![]));
        for other in ["OPENAI_API_KEY", "API_URL", "KEYS", "API_TOKEN", "APIS", "KEY"] {
            assert_eq!(found(&[(other, "x")]), (vec![], vec![]), "{other}");
        }
    }

    #[test]
    fn case_counts_for_compose_alone() {
        let keys = ("api_keys", "0123456789abcdef");
        assert_eq!(found(&[keys]), (vec![], vec![]), "the gateway reads it");
        let line = "api_keys: is not read by Compose, for which case counts: write API_KEYS";
        let refused = vec![format!("{line}. Without a key anybody may call")];
        assert_eq!(found(&[keys, IN_COMPOSE]), (refused, vec![]));
        assert_eq!(found(&[keys, IN_COMPOSE, GOOD]), (vec![], vec![line.to_owned()]));
        let (errors, warnings) =
            found(&[("Webhook_Secret", "x"), ("runner_image", "x"), IN_COMPOSE]);
        assert!(errors.is_empty() && warnings.len() == 1, "{errors:?} {warnings:?}");
        assert!(warnings[0].ends_with("write WEBHOOK_SECRET"), "{warnings:?}");
    }

    #[test]
    fn a_caller_s_key_is_none_of_the_gateway_s() {
        let (errors, warnings) = found(&[("MAYFLY_API_KEY", "x")]);
        assert!(errors.is_empty() && warnings[0].starts_with("MAYFLY_API_KEY: is the command"));
        let file = "MAYFLY_API_KEY_FILE: is the command line's. Without API_KEYS or API_KEYS_FILE the gateway asks for no key";
        assert_eq!(found(&[("MAYFLY_API_KEY_FILE", "x")]), (vec![], vec![file.to_owned()]));
        assert_eq!(found(&[("MAYFLY_API_KEY", "x"), GOOD]), (vec![], vec![]));
    }

    /// Variables that the orchestrator reads, too, whatever the case of their names.
    const ALSO_THE_ORCHESTRATOR_S: [&str; 4] =
        ["LOG_FORMAT", "LOG_LEVEL", "LOG_VERBOSE", "OTEL_EXPORTER_OTLP_ENDPOINT"];

    #[test]
    fn the_list_is_what_compose_fills_in() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/compose.yaml");
        let text = std::fs::read_to_string(file).unwrap();
        let names = text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next());
        let no_variable =
            |name: &&str| *name != "API_KEY" && !ALSO_THE_ORCHESTRATOR_S.contains(name);
        let names: std::collections::BTreeSet<&str> = names.filter(no_variable).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), OF_COMPOSE);
    }
}
