//! Names of runners: how they are generated, and how a name is recognised as one that this installation generates.
//!
//! Recognition is exact. Ids can be prefixes of each other (`x` and `x-2`), and so can pool names, so a common prefix proves
//! nothing.

mod taken;

use mayfly_common::name::RunnerName;
use mayfly_common::pool::Naming;

pub use self::taken::{Holder, NamesTaken, Presence};
use super::policy::PoolPolicy;

/// Hexadecimal digits at the end of a generated name.
const DIGITS: usize = 12;

/// The common beginning of all names that the installation `id` generates.
pub fn prefix(id: &str) -> String {
    format!("mayfly-{id}-")
}

/// A name that begins with `prefix` and ends with the first twelve digits of `random`, which are lower-case hexadecimal.
pub fn generated(prefix: &str, random: &str) -> Option<RunnerName> {
    RunnerName::parse(&format!("{prefix}{}", random.get(..DIGITS)?)).ok()
}

/// True if [`generated`] makes names of this form from this `prefix`. GitHub keeps the case of a name, so case counts.
pub fn is_generated(prefix: &str, name: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let random = name.strip_prefix(prefix);
    random.is_some_and(|random| random.len() == DIGITS && random.bytes().all(digit))
}

/// The name of a pool's numbered place.
pub fn place(pool: &PoolPolicy, number: usize) -> Option<RunnerName> {
    RunnerName::parse(&format!("{}-{number}", pool.name_prefix)).ok()
}

/// The number of a pool's place that a runner named `name` occupies. GitHub compares names without case, so case does not count.
pub fn place_number(pool: &PoolPolicy, name: &str) -> Option<usize> {
    if pool.naming != Naming::Stable {
        return None;
    }
    let (prefix, digits) = name.rsplit_once('-')?;
    let number: usize = digits.parse().ok()?;
    let exact = prefix.eq_ignore_ascii_case(&pool.name_prefix) && number.to_string() == digits;
    (exact && (1..=pool.max).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::policy;

    #[test]
    fn only_the_exact_form_is_generated_here() {
        let random = "0123456789abcdef0123456789abcdef";
        let made = generated(&prefix("x"), random).unwrap();
        assert_eq!(made.as_str(), "mayfly-x-0123456789ab");
        let rows = [
            ("mayfly-x-0123456789ab", true),
            ("mayfly-x-2-0123456789ab", false),
            ("mayfly-xy-0123456789ab", false),
            ("MAYFLY-X-0123456789AB", false),
            ("mayfly-x-0123456789AB", false),
            ("mayfly-x-0123456789a", false),
            ("mayfly-x-0123456789abc", false),
            ("mayfly-x-0123456789ag", false),
            ("mayfly-x-ci-1", false),
            ("mayfly-x-", false),
        ];
        for (name, expected) in rows {
            assert_eq!(is_generated(&prefix("x"), name), expected, "{name}");
        }
        // The other way round: `x-2` does not take `x`'s for its own.
        assert!(!is_generated(&prefix("x-2"), "mayfly-x-0123456789ab"));
    }

    #[test]
    fn a_place_has_one_spelling_and_a_number_that_the_pool_uses() {
        let mut pool = policy().default;
        (pool.naming, pool.max) = (Naming::Stable, 20);
        "runner".clone_into(&mut pool.name_prefix);
        assert_eq!(place(&pool, 3).unwrap().as_str(), "runner-3");
        let rows = [
            ("runner-3", Some(3)),
            ("Runner-3", Some(3)),
            ("runner-20", Some(20)),
            ("runner-21", None),
            ("runner-0", None),
            ("runner-03", None),
            ("runner-+3", None),
            ("runner-", None),
            ("runner-x", None),
            ("runner-2-3", None),
            ("another-runner-3", None),
            ("3", None),
        ];
        for (name, expected) in rows {
            assert_eq!(place_number(&pool, name), expected, "{name}");
        }
        pool.naming = Naming::Unique;
        assert_eq!(place_number(&pool, "runner-3"), None);
    }
}
