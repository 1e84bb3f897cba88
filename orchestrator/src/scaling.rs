//! The functional core: decides everything, does nothing.
//!
//! [`plan`] turns what was [`Observed`] into [`Action`]s. No `async`, no clock, no I/O, no random numbers: time and fresh names
//! come in as values, so every decision is a table row in a test. A test below reads these sources and fails if that changes.
//!
//! | module | decides |
//! |---|---|
//! | [`lifecycle`] | which state a runner is in |
//! | [`naming`] | which names are ours |
//! | `memory` | what one pass remembers for the next |
//! | [`policy`] | what holds for all decisions, pool by pool |
//! | [`choice`] | which pools a job is for |
//! | [`matching`] | which queued jobs a runner is there or on its way for |
//! | [`assignment`] | which queued jobs GitHub does not assign to a runner that is there |
//! | [`backoff`] | how long a scope waits after failures |
//! | [`cadence`] | when to look again |
//! | [`room`] | how many more runners fit |
//! | [`pull`] | what a pull policy means for an image |
//! | [`ratio`] | the autoscaling policy of that name |
//! | [`plan`] | what to do |
//! | [`uninstall`] | what is left of an installation that drains |

mod action;
pub mod assignment;
pub mod backoff;
pub mod cadence;
pub mod choice;
pub mod lifecycle;
pub mod matching;
mod memory;
pub mod naming;
mod observed;
mod plan;
pub mod policy;
pub mod pull;
pub mod ratio;
pub mod room;
pub mod uninstall;

pub use action::{Action, Launch, Refusal, RequestId};
pub use choice::has_groups;
pub use memory::{Clash, Memory, Sighting, Stray};
pub use observed::{Group, Image, ImageSeen, Listing, Observed, Sight, Wish};
pub use plan::{Cause, Plan, Unassigned, Unmet, Verdict, Waiting, plan};
pub use policy::{Caps, Policy, PoolPolicy};
pub use room::Cap;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// All that decides, by files and folders of `src`.
    const CORE: [&str; 13] = [
        "scaling.rs",
        "scaling",
        "ledger.rs",
        "ledger",
        "discovery.rs",
        "discovery",
        "explain.rs",
        "explain",
        "machine.rs",
        "model.rs",
        "pool.rs",
        "redelivery.rs",
        "template.rs",
    ];

    /// What a decision may not use: other tasks, the clock, the network, the disk, the environment, chance, the log.
    const IMPURE: [&str; 18] = [
        "async ",
        ".await",
        "tokio",
        "futures",
        "bollard",
        "reqwest",
        "axum",
        "rusqlite",
        "Timestamp::now",
        "Instant::now",
        "SystemTime",
        "std::fs",
        "std::env",
        "std::net",
        "std::thread",
        "uuid",
        "rand::",
        "tracing",
    ];

    fn sources(at: &Path, found: &mut Vec<PathBuf>) {
        if at.is_dir() {
            for entry in std::fs::read_dir(at).unwrap() {
                sources(&entry.unwrap().path(), found);
            }
        } else if at.extension().is_some_and(|extension| extension == "rs") {
            found.push(at.to_owned());
        }
    }

    /// All paths that imports name, however they are grouped.
    fn imports(code: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (at, word) in code.match_indices("use ") {
            let tree = code[at + word.len()..].split(';').next().unwrap_or_default();
            let (mut path, mut prefixes) = (String::new(), vec![String::new()]);
            for letter in tree.chars().filter(|letter| !letter.is_whitespace()) {
                match letter {
                    '{' => prefixes.push(path.clone()),
                    ',' => {
                        found.push(std::mem::replace(&mut path, prefixes.last().unwrap().clone()))
                    }
                    '}' if prefixes.len() > 1 => drop(prefixes.pop()),
                    _ => path.push(letter),
                }
            }
            found.push(path);
        }
        found
    }

    /// The words of [`IMPURE`] that a source uses.
    fn impure(code: &str) -> Vec<&'static str> {
        let imported = imports(code);
        let named = |word: &str| imported.iter().any(|path| path.starts_with(word));
        IMPURE.into_iter().filter(|word| code.contains(word) || named(word)).collect()
    }

    #[test]
    fn what_is_impure_is_found_in_groups_of_imports() {
        let rows = [
            ("use std::fs;", vec!["std::fs"]),
            ("use std::{fs, env};", vec!["std::fs", "std::env"]),
            (
                "use std::{\n    collections::{BTreeMap, BTreeSet},\n    net::IpAddr,\n};",
                vec!["std::net"],
            ),
            ("use std::{fmt, {thread::sleep}};", vec!["std::thread"]),
            ("use std::{collections::BTreeMap, fmt};\nuse jiff::Timestamp;", vec![]),
            ("let x = std::env::var(\"X\");", vec!["std::env"]),
        ];
        for (code, expected) in rows {
            assert_eq!(impure(code), expected, "{code}");
        }
    }

    #[test]
    fn the_core_stays_pure() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        for part in CORE {
            assert!(src.join(part).exists(), "{part}");
            sources(&src.join(part), &mut files);
        }
        for nested in ["scaling/plan/jobs.rs", "discovery/workflow/expression/parse.rs"] {
            assert!(files.contains(&src.join(nested)), "{nested} is not read");
        }
        for path in files {
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            assert!(impure(code).is_empty(), "{} must not use {:?}", path.display(), impure(code));
        }
    }
}
