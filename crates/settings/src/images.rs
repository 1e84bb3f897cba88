//! `ALLOWED_IMAGES`: which images the pools that are created through the API may name.

use mayfly_common::image::{ImageName, full_name, is_registry};
use wildmatch::WildMatch;

/// Which images pools may name.
#[derive(Debug, Clone, Default)]
pub struct AllowedImages {
    /// `ALLOWED_IMAGES`; none means the images that are on the internet.
    patterns: Option<Vec<Pattern>>,
    /// The images that the environment names itself.
    own: Vec<ImageName>,
}

/// A glob for image names.
#[derive(Debug, Clone, PartialEq)]
struct Pattern {
    /// The parts of the full name, between slashes.
    parts: Vec<Part>,
    /// None means any, a digest included.
    tag: Option<WildMatch>,
    digest: Option<WildMatch>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// `**`: one or more parts.
    Any,
    One(WildMatch),
}

impl AllowedImages {
    /// Reads `ALLOWED_IMAGES`.
    ///
    /// Errors: the pattern that cannot be read, and why.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let patterns = text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty());
        let patterns = patterns
            .map(|text| Pattern::parse(text).map_err(|why| format!("pattern {text:?} {why}")))
            .collect::<Result<Vec<_>, _>>()?;
        if patterns.is_empty() {
            return Err("names no image: leave it out for the default".to_owned());
        }
        Ok(Self { patterns: Some(patterns), own: Vec::new() })
    }

    /// The same, and the images that the environment names.
    pub(super) fn with_own<'a>(self, own: impl IntoIterator<Item = &'a str>) -> Self {
        let own = own.into_iter().filter_map(|image| ImageName::parse(image).ok()).collect();
        Self { own, ..self }
    }

    /// Why a pool may not name `image`; none if it may.
    pub fn refusal(&self, image: &str) -> Option<String> {
        let name = match ImageName::parse(image) {
            Ok(name) => name,
            Err(error) => return Some(error.to_string()),
        };
        let same = |own: &ImageName| {
            (own.full_name(), own.effective_tag(), own.digest())
                == (name.full_name(), name.effective_tag(), name.digest())
        };
        if self.own.iter().any(same) {
            return None;
        }
        match &self.patterns {
            Some(patterns) if patterns.iter().any(|pattern| pattern.fits(&name)) => None,
            Some(_) => Some(format!(
                "is not allowed: no pattern of ALLOWED_IMAGES in the orchestrator's environment fits {name}"
            )),
            None if name.may_be_an_id() => Some(format!(
                "is not allowed: {name} may be the id of any image on the host; name it with its tag, or name the id in ALLOWED_IMAGES in the orchestrator's environment"
            )),
            None if name.is_on_the_internet() => None,
            None => Some(format!(
                "is not allowed: the registry {} is no domain name, so it may be a service inside your network; \
                 if pools may use it, name it in ALLOWED_IMAGES in the orchestrator's environment",
                name.registry().unwrap_or_default()
            )),
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@[]*?".contains(c);
        if !text.chars().all(allowed) {
            return Err("must be an image name, with * and ? for any characters");
        }
        let any = |part: &str| WildMatch::new(part);
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(any(digest))),
            None => (text, None),
        };
        if name == "*" || name == "**" {
            return Ok(Self { parts: vec![Part::Any], tag: None, digest });
        }
        // A colon before the last slash is a port's.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(any(tag))),
            _ => (name, None),
        };
        if name.split('/').any(str::is_empty) {
            return Err("has an empty part");
        }
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest),
            _ => ("", name),
        };
        let brackets = |text: &str| text.contains(['[', ']']);
        // Those of an IPv6 address.
        let address = registry.starts_with('[') && registry.contains(']');
        let tail = text.strip_prefix(registry).unwrap_or(text);
        if brackets(tail)
            || (brackets(registry) && !address)
            || rest.bytes().any(|byte| byte.is_ascii_uppercase())
        {
            return Err("fits no image: names have lower-case letters and no brackets");
        }
        let name = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => full_name(Some(first), rest),
            // `**/x` is for any registry.
            Some(("**", _)) => name.to_owned(),
            _ => full_name(None, name),
        };
        let part = |part: &str| if part == "**" { Part::Any } else { Part::One(any(part)) };
        Ok(Self { parts: name.split('/').map(part).collect(), tag, digest })
    }

    fn fits(&self, name: &ImageName) -> bool {
        let full = name.full_name();
        let parts: Vec<&str> = full.split('/').collect();
        let digest = match (&self.digest, name.digest()) {
            (Some(wanted), Some(digest)) => wanted.matches(digest),
            (Some(_), None) => false,
            (None, _) => true,
        };
        // A digest beside a tag decides what is pulled, so it says nothing that the tag is the one.
        let tag = match (&self.tag, name.effective_tag()) {
            (Some(wanted), Some(tag)) => wanted.matches(tag),
            (Some(_), None) => self.digest.is_some(),
            (None, _) => true,
        };
        digest && tag && fit(&self.parts, &parts)
    }
}

/// True if `parts` fit `pattern`; `*` stops at the slash, `**` does not.
fn fit(pattern: &[Part], parts: &[&str]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        ([Part::One(glob), pattern @ ..], [part, parts @ ..]) => {
            glob.matches(part) && fit(pattern, parts)
        }
        ([Part::Any, rest @ ..], [_, parts @ ..]) => fit(rest, parts) || fit(pattern, parts),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn allowed(patterns: &str, image: &str) -> bool {
        AllowedImages::parse(patterns).unwrap().refusal(image).is_none()
    }

    #[test]
    fn without_patterns_the_internet_and_what_the_environment_names() {
        let images = AllowedImages::default().with_own(["registry:5000/runner", "10.0.0.1/x:1"]);
        for good in
            ["alpine", "acme/x:1", "ghcr.io/acme/x", "registry:5000/runner:latest", "10.0.0.1/x:1"]
        {
            assert_eq!(images.refusal(good), None, "{good}");
        }
        for wrong in [
            "127.0.0.1:28998/x/y:z",
            "localhost/x",
            "[::1]/x",
            "registry:5000/other",
            "registry:5000/runner:2",
            "10.0.0.1/x",
            "../../x",
        ] {
            assert!(images.refusal(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn an_image_s_id_is_allowed_only_where_the_owner_of_the_machine_names_it() {
        let id = format!("sha256:{}", "0a".repeat(32));
        let default = || AllowedImages { patterns: None, own: Vec::new() };
        for image in [&*id, "1017b071452e", "cafe", "sha256:1017b071452e"] {
            let why = default().refusal(image).unwrap_or_default();
            assert!(why.contains("the id of any image"), "{image}: {why}");
            assert_eq!(default().with_own([image]).refusal(image), None, "{image}");
        }
        for image in ["cafe:latest", "acme/cafe", "docker.io/library/cafe", "runner", "sha256"] {
            assert_eq!(default().refusal(image), None, "{image}");
        }
        assert!(allowed("1017b071452e", "1017b071452e") && !allowed("acme/*", "1017b071452e"));
    }

    #[test]
    fn patterns_take_the_place_of_the_default_but_not_of_the_environment() {
        let images = AllowedImages::parse("ghcr.io/acme/*").unwrap().with_own(["alpine:3"]);
        assert_eq!(images.refusal("docker.io/library/alpine:3"), None);
        assert!(images.refusal("alpine:4").is_some());
        assert!(images.refusal(&format!("alpine:3@{DIGEST}")).is_some(), "another image");
        let why = images.refusal("ghcr.io/evil/x").unwrap();
        assert!(why.contains("ALLOWED_IMAGES") && why.contains("ghcr.io/evil/x"), "{why}");
    }

    #[test]
    fn a_star_stops_at_the_slash_and_what_is_not_said_is_free() {
        let rows = [
            ("ghcr.io/acme/*", "ghcr.io/acme/runner:1", true),
            ("ghcr.io/acme/*", "GHCR.io/acme/runner", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/team/runner", false),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/runner", false),
            ("ghcr.io/acme/**", "ghcr.io/acme/team/runner", true),
            ("ghcr.io/acme/**", "ghcr.io/acme", false),
            ("*.example.com/**", "a.example.com/x/y", true),
            ("*.example.com/**", "evil.io/a.example.com/x", false),
            ("alpine", "docker.io/library/alpine:3", true),
            ("acme/*", "acme/x", true),
            ("acme/*", "ghcr.io/acme/x", false),
            ("*", "127.0.0.1:5000/x/y", true),
            ("**/runner", "localhost:5000/a/runner:1", true),
            ("**/runner", "localhost:5000/a/other:1", false),
            ("registry:5000/x", "registry:5000/x:2", true),
            ("registry:5000/x", "registry:5001/x", false),
            ("registry:*/x", "registry:5001/x", true),
            ("a/b:1.*", "a/b:1.2", true),
            ("a/b:1.*", "a/b", false),
            ("a/b:latest", "a/b", true),
            ("nowhere/x, a/b", "a/b", true),
        ];
        for (patterns, image, expected) in rows {
            assert_eq!(allowed(patterns, image), expected, "{patterns} {image}");
        }
    }

    #[test]
    fn a_tag_does_not_vouch_for_a_digest() {
        let (tagged, plain) = (format!("a/b:1@{DIGEST}"), format!("a/b@{DIGEST}"));
        assert!(allowed("a/b", &tagged) && allowed("a/b", &plain));
        assert!(!allowed("a/b:1", &tagged) && !allowed("a/b:1", &plain));
        let exact = format!("a/b@{DIGEST}");
        assert!(allowed(&exact, &plain) && allowed(&exact, &tagged));
        assert!(!allowed(&exact, "a/b:1"));
        assert!(!allowed(&format!("a/b@sha256:{}*", "b".repeat(8)), &plain));
    }

    #[test]
    fn a_pattern_that_can_mean_nothing_is_refused() {
        for wrong in ["a b", "a//b", "/a", "a/{b}", "https://x/y"] {
            let why = AllowedImages::parse(wrong).unwrap_err();
            assert!(why.contains(wrong), "{why}");
        }
    }
}
