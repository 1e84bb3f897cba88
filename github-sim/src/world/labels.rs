//! Labels and names, by the simulator's own reading of GitHub's rules. On purpose nothing here is shared with the orchestrator: a
//! mistake in its matching must show against this one.

use super::model::RunnerLabel;

/// Most labels that one runner may carry (REST, "Create configuration for a just-in-time runner for an organization": `labels`
/// has 1 to 100 items).
pub(super) const MOST_LABELS: usize = 100;
/// Most characters of a runner's name (`config.sh` refuses longer ones).
const LONGEST_NAME: usize = 64;

/// True if a runner with the labels `offered` may take a job that asks for `wanted`: it has every one of them. GitHub compares
/// labels without case (docs, "Using self-hosted runners in a workflow"). No runner can have an empty label, and a job that asks for
/// one among others is not held up by it: an expression that came out empty, say.
pub(super) fn suffice<'a>(offered: impl IntoIterator<Item = &'a str>, wanted: &[String]) -> bool {
    let offered: Vec<&str> = offered.into_iter().collect();
    let mut wanted = wanted.iter().filter(|label| !label.trim().is_empty());
    wanted.all(|label| offered.iter().any(|other| same(other, label)))
}

/// True if two labels are the same one.
pub(super) fn same(one: &str, other: &str) -> bool {
    let lower =
        |text: &str| -> String { text.trim().chars().flat_map(char::to_lowercase).collect() };
    lower(one) == lower(other)
}

/// The names of these labels.
pub(super) fn names(labels: &[RunnerLabel]) -> impl Iterator<Item = &str> {
    labels.iter().map(|label| label.name.as_str())
}

/// What is wrong with a runner's name, if anything is.
pub(super) fn fault_of_name(name: &str) -> Option<String> {
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) {
        return Some(format!("must have 1 to {LONGEST_NAME} characters, has {length}"));
    }
    let odd = name.chars().find(|&c| !c.is_ascii_alphanumeric() && !"_.-".contains(c));
    odd.map(|c| format!("may not contain {c:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_needs_every_label_in_whatever_case() {
        let rows: &[(&[&str], &[&str], bool)] = &[
            (&["self-hosted", "linux"], &["self-hosted"], true),
            (&["self-hosted"], &["self-hosted", "linux"], false),
            (&["Self-Hosted", "LINUX"], &["self-hosted", "Linux"], true),
            (&["größe=XL"], &["GRÖSSE=xl"], false),
            (&["größe=XL"], &["GRÖßE=xl"], true),
            (&["a b"], &[" a b "], true),
            (&["gpu-2"], &["gpu"], false),
            (&[], &["x"], false),
            (&["x"], &[], true),
            (&["x"], &["x", "x"], true),
            (&["x"], &["x", "", " "], true),
            (&["x"], &["", "y"], false),
        ];
        for (offered, wanted, expected) in rows {
            let wanted: Vec<String> = wanted.iter().map(|&label| label.to_owned()).collect();
            assert_eq!(
                suffice(offered.iter().copied(), &wanted),
                *expected,
                "{offered:?} {wanted:?}"
            );
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "A-1_b.c", &"x".repeat(64)] {
            assert_eq!(fault_of_name(good), None, "{good}");
        }
        for bad in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert!(fault_of_name(bad).is_some(), "{bad}");
        }
    }
}
