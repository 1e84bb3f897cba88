//! What gets a runner to GitHub, once.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// The just-in-time configuration or the registration token of one runner, in the variables of its main process that contain it.
///
/// It is used once. Its values have neither `Display` nor `Debug`; a backend reads them with [`Bootstrap::expose`] where it delivers
/// them, and keeps them nowhere else.
#[derive(Clone, Default)]
pub struct Bootstrap(Vec<(String, SecretString)>);

impl Bootstrap {
    /// Takes the variables, by their names.
    pub fn new(variables: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The names of the variables and their values in the clear.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
    }
}

/// The names of the variables alone.
impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_values_are_shown_to_nobody_but_who_delivers_them() {
        let bootstrap = Bootstrap::new([("CONFIG".to_owned(), "the-secret".into())]);
        assert_eq!(bootstrap.expose().collect::<Vec<_>>(), [("CONFIG", "the-secret")]);
        assert_eq!(format!("{bootstrap:?}"), r#"["CONFIG"]"#);
    }
}
