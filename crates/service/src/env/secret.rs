//! Secrets, from a variable or from the file that its twin (`X_FILE`) names.
//!
//! Invariant: what is wrong with a secret is said with the name of the variable that was set, and without its value.

use std::fs::File;
use std::io::Read as _;

use secrecy::SecretString;

use mayfly_common::clean;

use super::{Checker, set};

/// Most bytes of a file that a variable names.
const MAX_FILE: u64 = 1 << 20;

/// A secret, and the variable that it comes from.
#[derive(Debug)]
pub struct Secret {
    /// The secret, without white space at its end.
    pub text: SecretString,
    /// `X`, or `X_FILE`.
    pub variable: String,
    /// True if it comes from a file, and so may have several lines.
    pub from_file: bool,
}

impl Checker {
    /// The secret of `variable`, or of the file that `variable`_FILE names.
    pub fn secret(
        &mut self,
        variable: &str,
        raw: Option<String>,
        file: Option<String>,
    ) -> Option<Secret> {
        let twin = format!("{variable}_FILE");
        match (set(raw), set(file)) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                let reason = format!("is set twice: set either {variable} or {twin}");
                self.fail(variable, reason);
                None
            }
            (Some(value), None) => {
                let text = value.trim_end().to_owned().into();
                Some(Secret { text, variable: variable.to_owned(), from_file: false })
            }
            (None, path) => {
                let path = self.text(&twin, path)?;
                match read(&path) {
                    Ok(text) => Some(Secret { text, variable: twin, from_file: true }),
                    Err(reason) => {
                        self.fail(&twin, reason);
                        None
                    }
                }
            }
        }
    }
}

/// What the file at `path` holds, without a byte-order mark and without white space at its end.
///
/// Errors: why it cannot be read, in words that follow the name of whatever named it.
pub fn read(path: &str) -> Result<SecretString, String> {
    let shown = shown(path);
    let bytes = bytes(path, shown)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(format!("{shown} is UTF-16: save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is no text in UTF-8"))?;
    let text = clean::text(&text).trim_end();
    if text.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(text.to_owned().into())
}

/// What the file at `path` holds, which is no secret: at most 1 MiB, however much there is.
///
/// Errors: why it cannot be read, in words that follow the name of whatever named it.
pub fn read_plain(path: &str) -> Result<Vec<u8>, String> {
    bytes(path, path)
}

fn bytes(path: &str, shown: &str) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("{shown} is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// The path, unless it may be a secret that was put in the path's place.
fn shown(path: &str) -> &str {
    let is_path = ["/", "./", "../", "~"].iter().any(|start| path.starts_with(start));
    if is_path { path } else { "the file that it names (by no full path)" }
}

#[cfg(test)]
#[path = "../../tests/support/scratch.rs"]
mod scratch;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::scratch::Scratch;
    use super::*;

    fn secret(raw: Option<&str>, file: Option<&str>) -> Result<Secret, String> {
        let mut check = Checker::new();
        let found = check.secret("T", raw.map(str::to_owned), file.map(str::to_owned));
        check.finish(found).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_secret_comes_from_its_variable_or_its_file_and_says_from_which() {
        let file = Scratch::new("good", b"\xef\xbb\xbfs3cret \r\n");
        let found = secret(None, Some(&file.path())).unwrap();
        assert_eq!((found.text.expose_secret(), &*found.variable), ("s3cret", "T_FILE"));
        let found = secret(Some("s3cret"), Some(" ")).unwrap();
        assert_eq!((found.text.expose_secret(), &*found.variable), ("s3cret", "T"));
        let twice = secret(Some("s3cret"), Some(&file.path())).unwrap_err();
        assert!(twice.starts_with("T: is set twice") && !twice.contains("s3cret"), "{twice}");
    }

    #[test]
    fn an_error_names_the_variable_that_was_set_and_its_true_reason() {
        let large = vec![b'x'; (1 << 20) + 1];
        let rows: [(&str, &[u8], &str); 5] = [
            ("utf16", b"\xff\xfes\x003\x00", "is UTF-16: save it as UTF-8"),
            ("utf16be", b"\xfe\xff\x00s\x003", "is UTF-16: save it as UTF-8"),
            ("latin1", b"s\xe9cret", "is no text in UTF-8"),
            ("blank", b" \r\n", "is empty"),
            ("large", &large, "is larger than 1 MiB"),
        ];
        for (name, bytes, why) in rows {
            let file = Scratch::new(name, bytes);
            assert_eq!(
                secret(None, Some(&file.path())).unwrap_err(),
                format!("T_FILE: {} {why}", file.path())
            );
        }
        let missing = secret(None, Some("/does/not/exist")).unwrap_err();
        assert!(missing.starts_with("T_FILE: cannot read /does/not/exist: "), "{missing}");
        let folder = secret(None, Some("/tmp")).unwrap_err();
        assert!(folder.starts_with("T_FILE: cannot read /tmp: "), "{folder}");
        let endless = secret(None, Some("/dev/zero")).unwrap_err();
        assert_eq!(endless, "T_FILE: /dev/zero is larger than 1 MiB");
        let quoted = secret(None, Some("\"/tmp/x\"")).unwrap_err();
        assert!(quoted.starts_with("T_FILE: is in quotation marks"), "{quoted}");
    }

    #[test]
    fn a_secret_in_the_place_of_a_path_is_not_shown() {
        let wrong = secret(None, Some("ghp_0123456789")).unwrap_err();
        assert!(wrong.starts_with("T_FILE: cannot read ") && !wrong.contains("ghp_"), "{wrong}");
    }

    #[test]
    fn a_secret_is_taken_whole_up_to_a_mebibyte() {
        let file = Scratch::new("most", vec![b'x'; 1 << 20]);
        let found = secret(None, Some(&file.path())).unwrap();
        assert_eq!((found.text.expose_secret().len(), found.from_file), (1 << 20, true));
        let found = secret(Some(" s3cret \n"), None).unwrap();
        assert_eq!((found.text.expose_secret(), found.from_file), (" s3cret", false));
        assert!(secret(None, None).unwrap_err().is_empty());
        let twice = secret(Some("a"), Some("b")).unwrap_err();
        assert_eq!(twice, "T: is set twice: set either T or T_FILE");
    }

    #[test]
    fn only_what_is_a_path_is_shown() {
        for path in ["/a", "./a", "../a", "~/a"] {
            assert_eq!(shown(path), path);
        }
        for other in ["a", "a/b", ".a", "ghp_x"] {
            assert_eq!(shown(other), "the file that it names (by no full path)", "{other}");
        }
    }
}
