//! What a webhook signs with: a secret that the gateway knows, or a new one.

use mayfly_common::webhook::signature::Secrets;
use mayfly_service::env::{Checker, Secret, set};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

use super::Failure;
use super::target::variable;

const NAME: &str = "WEBHOOK_SECRET";
const FILE: &str = "WEBHOOK_SECRET_FILE";
/// Random bytes of a new secret.
const BYTES: usize = 32;

/// The secret of a webhook.
#[derive(Debug)]
pub(super) struct HookSecret {
    pub(super) text: SecretString,
    /// True if it was made just now, so that nobody else knows it.
    pub(super) new: bool,
}

impl HookSecret {
    /// The first secret of the variables, or a new one where there is none. While a secret is being changed, the first is the one
    /// to come: the gateway takes deliveries signed with any of them.
    pub(super) fn of(variables: &[(String, String)]) -> Result<Self, Failure> {
        let (inline, file) = (variable(variables, NAME), variable(variables, FILE));
        let given = set(inline.clone()).is_some() || set(file.clone()).is_some();
        if !given {
            return Ok(Self { text: generate()?, new: true });
        }
        let mut check = Checker::new();
        let secret = check.secret(NAME, inline, file);
        let first = secret.and_then(|Secret { text, variable, from_file }| {
            let parse = if from_file { Secrets::from_lines } else { Secrets::from_list };
            for reason in parse(&text).err().into_iter().flatten() {
                check.fail(&variable, reason);
            }
            first(&text, from_file)
        });
        let text = check.finish(first).map_err(|errors| Failure::Usage(errors.to_string()))?;
        Ok(Self { text, new: false })
    }

    /// The line that tells the gateway, of a secret that only we know.
    pub(super) fn line(&self) -> Option<String> {
        self.new.then(|| format!("{NAME}={}", self.text.expose_secret()))
    }
}

/// The first secret, as [`Secrets`] takes them apart.
fn first(text: &SecretString, lines: bool) -> Option<SecretString> {
    let text = text.expose_secret();
    let found = |parts: &mut dyn Iterator<Item = &str>| {
        parts.map(str::trim).find(|part| !part.is_empty()).map(SecretString::from)
    };
    if lines {
        found(&mut text.lines().filter(|line| !line.trim().starts_with('#')))
    } else {
        found(&mut text.split(','))
    }
}

fn generate() -> Result<SecretString, Failure> {
    let mut bytes = [0; BYTES];
    let failed = |_| Failure::Failed("this machine gives no random numbers".to_owned());
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(digits.collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<HookSecret, Failure> {
        let owned: Vec<(String, String)> =
            variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        HookSecret::of(&owned)
    }

    #[test]
    fn the_first_secret_is_the_one_the_gateway_reads_first() {
        let list = of(&[(NAME, " , the new one of many letters,the old one of many letters")]);
        assert_eq!(list.unwrap().text.expose_secret(), "the new one of many letters");
        let path = std::env::temp_dir().join(format!("mayfly-hook-secret-{}", std::process::id()));
        std::fs::write(&path, "# new\n\n  one, with commas and letters \nthe old one, it, too\n")
            .unwrap();
        let file = path.to_string_lossy().into_owned();
        let read = of(&[(FILE, &file)]).unwrap();
        assert_eq!(read.text.expose_secret(), "one, with commas and letters");
        assert!(!read.new && read.line().is_none());
        assert!(matches!(of(&[(FILE, &file), (NAME, "x")]), Err(Failure::Usage(_))), "set twice");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_weak_secret_is_refused_as_the_gateway_would_and_not_shown() {
        let Err(Failure::Usage(error)) = of(&[(NAME, "short-one")]) else { panic!("taken") };
        assert!(error.starts_with("WEBHOOK_SECRET: secret 1 is shorter"), "{error}");
        assert!(!error.contains("short-one"));
        assert!(matches!(of(&[(FILE, "/does/not/exist")]), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_new_secret_is_long_and_never_the_same() {
        let (one, other) = (of(&[(NAME, " ")]).unwrap(), of(&[]).unwrap());
        assert!(one.new && one.text.expose_secret().len() == 64);
        assert_ne!(one.text.expose_secret(), other.text.expose_secret());
        assert!(Secrets::from_list(&one.text).is_ok(), "the gateway takes it");
        assert!(!format!("{one:?}").contains(one.text.expose_secret()));
    }
}
