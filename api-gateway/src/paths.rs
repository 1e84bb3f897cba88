//! Paths that more than one layer must know, and how a path is shown.

/// Where GitHub delivers its webhooks.
pub(crate) const WEBHOOKS: &str = "/webhooks/github";

/// Longest path shown in a log line, in bytes.
const LOGGED_PATH: usize = 200;

/// True if a path is for health checks.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/health" | "/livez" | "/readyz")
}

/// The start of a path, for a log line.
pub(crate) fn shortened(path: &str) -> String {
    // A path is ASCII, so any cut is between characters.
    path.get(..LOGGED_PATH).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_up_to_200_bytes() {
        for (length, shown) in [(1, 1), (200, 200), (201, 200)] {
            assert_eq!(shortened(&"/".repeat(length)).len(), shown);
        }
    }
}
