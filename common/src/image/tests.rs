use super::*;

const DIGEST: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// What of the names that distribution/reference's own tests take and refuse (`reference_test.go`, `regexp_test.go`,
/// `normalize_test.go`) an engine would be asked to pull.
#[test]
fn docker_s_own_examples() {
    let digested = format!("test.com:8080/foo@{DIGEST}");
    let both = format!("test.com:8080/foo:tag@{DIGEST}");
    let longest = format!("a/{}", "a".repeat(243));
    let long_tag = format!("a:{}", "t".repeat(128));
    let good = [
        "test_com",
        "test_com/foo",
        "test.com:tag",
        "test.com:5000",
        "test.com/repo:tag",
        "test:5000/repo",
        "test:5000/repo:tag",
        &digested,
        &both,
        "foo_bar.com:8080",
        "foo/foo_bar.com:8080",
        "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
        "b.gcr.io/test.example.com/my-app:test.example.com",
        "xn--n3h.com/myimage:xn--n3h.com",
        "192.168.1.1/x",
        "192.168.1.1:8080/x:tag",
        "[2001:db8::1]:5000/repo",
        "[2001:db8::1]/repo:tag",
        "LOCALHOST/docker",
        "Foo/bar",
        "foo__bar/baz--qux/a.b_c---d",
        "localhost/x",
        "docker.io/library/debian:bookworm-slim",
        &longest,
        &long_tag,
    ];
    for text in good {
        assert_eq!(ImageName::parse(text).map(|name| name.to_string()), Ok(text.to_owned()));
    }
    let too_long = format!("a/{}", "a".repeat(244));
    let long_tag = format!("a:{}", "t".repeat(129));
    let id = "f".repeat(64);
    let short = format!("foo@{}", &DIGEST[..DIGEST.len() - 1]);
    let unknown = format!("foo@md5:{}", "f".repeat(32));
    let upper = format!("foo@{}", DIGEST.to_uppercase().replace("SHA", "sha"));
    let wrong = [
        "",
        ":justtag",
        &*format!("@{DIGEST}"),
        "repo@sha256:ffffffffffffffffffffffffffffffffff",
        &short,
        &unknown,
        &upper,
        "validname@invaliddigest:ffffffff",
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "lowercase:Tag:x",
        "a//b",
        "a/",
        "/a",
        "aa/asdf$$^/aa",
        "-foo/bar",
        "foo/bar-",
        "foo-/bar",
        "a___b",
        "a..b/c",
        "_docker/_docker",
        "[fd00:1:2::3]",
        "[fe80::1%eth0]:5000/repo",
        "[fe80::1%@invalidzone]:5000/repo",
        "2001:db8::1/repo",
        "[::ffff:192.0.2.1]:5000/repo",
        "test.com:x/repo",
        "test.com:/repo",
        "-test.com/repo",
        "a b",
        "image:",
        "image:.tag",
        "../../x",
        "-v",
        "http://127.0.0.1/x",
        "img\u{fc}",
        &too_long,
        &long_tag,
        &id,
    ];
    for text in wrong {
        assert!(ImageName::parse(text).is_err(), "{text}");
    }
}

#[test]
fn short_names_are_docker_hub_s() {
    let rows = [
        ("alpine", "docker.io/library/alpine", Some("latest")),
        ("alpine:3", "docker.io/library/alpine", Some("3")),
        ("docker.io/alpine", "docker.io/library/alpine", Some("latest")),
        ("index.docker.io/a/b:c", "docker.io/a/b", Some("c")),
        ("a/b", "docker.io/a/b", Some("latest")),
        ("GHCR.io/a/b", "ghcr.io/a/b", Some("latest")),
        ("localhost/b:c", "localhost/b", Some("c")),
        ("registry:5000/b", "registry:5000/b", Some("latest")),
    ];
    for (text, full, tag) in rows {
        let name = ImageName::parse(text).unwrap();
        assert_eq!((&*name.full_name(), name.effective_tag()), (full, tag), "{text}");
    }
    let name = ImageName::parse(&format!("a/b:c@{DIGEST}")).unwrap();
    assert_eq!((name.tag(), name.effective_tag(), name.digest()), (Some("c"), None, Some(DIGEST)));
    let pinned = |text: &str| ImageName::parse(text).unwrap().is_pinned();
    assert!(pinned("a:1") && pinned(&format!("a@{DIGEST}")));
    assert!(!pinned("a") && !pinned("a:latest") && !pinned("localhost:5000/a"));
}

#[test]
fn a_host_is_on_the_internet_if_it_is_a_domain_name() {
    let rows = [
        ("alpine", true),
        ("acme/x", true),
        ("ghcr.io/acme/x", true),
        ("registry.example.com:5000/x", true),
        ("10.example.com/x", true),
        ("127.0.0.1:28998/x/y:z", false),
        ("169.254.169.254/x", false),
        ("127.1/x", false),
        ("0x7f.0x1/x", false),
        ("x.0x/x", false),
        ("[::1]:5000/x", false),
        ("localhost/x", false),
        ("LOCALHOST/x", false),
        ("registry.LOCALHOST/x", false),
        ("0X7F.0X1/x", false),
        ("localhost:5000/x", false),
        ("registry.localhost:5000/x", false),
        ("localhost.localdomain/x", false),
        ("registry:5000/x", false),
        ("Registry/x", false),
    ];
    for (text, expected) in rows {
        let name = ImageName::parse(text).unwrap();
        assert_eq!(name.is_on_the_internet(), expected, "{text}");
    }
}

#[test]
fn an_error_says_which_part_is_wrong() {
    let rows = [
        ("IMAGE:", "the colon is followed by no tag"),
        ("Acme:1", "the repository must be in lower case"),
        ("http://x/y", "this one is a URL: leave out everything up to //"),
        ("x.io:port/y", "the registry's port must be a number"),
    ];
    for (text, why) in rows {
        let error = ImageName::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("must be an image name such as ") && error.ends_with(why));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text: String) {
        let _ = ImageName::parse(&text);
    }
}

#[test]
fn the_parts_of_a_name_are_what_is_written() {
    for (algorithm, digits) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
        for (length, good) in [(digits - 1, false), (digits, true), (digits + 1, false)] {
            let text = format!("Reg.io:5000/a/b:1.2@{algorithm}:{}", "0".repeat(length));
            let name = ImageName::parse(&format!(" {text}\n"));
            assert_eq!(name.is_ok(), good, "{text}");
            let Ok(name) = name else { continue };
            assert_eq!((name.as_str(), name.to_string()), (&*text, text.clone()));
            assert_eq!((name.registry(), name.tag()), (Some("Reg.io:5000"), Some("1.2")));
            assert_eq!(name.full_name(), "reg.io:5000/a/b");
            assert_eq!(name.digest(), text.split_once('@').map(|(_, digest)| digest));
            assert!(name.is_pinned());
        }
    }
    let short = ImageName::parse("a/b").unwrap();
    assert_eq!((short.registry(), short.tag(), short.digest()), (None, None, None));
    let latest = ImageName::parse(&format!("a:latest@{DIGEST}")).unwrap();
    assert_eq!((latest.is_pinned(), latest.tag()), (true, Some("latest")));
    for (first, expected) in [
        ("localhost", true),
        ("a.b", true),
        ("a:1", true),
        ("Acme", true),
        ("acme", false),
        ("a-b_c", false),
    ] {
        assert_eq!(is_registry(first), expected, "{first}");
    }
}

#[test]
fn every_reason_is_said() {
    let (id, long, tag) = ("0".repeat(64), "a".repeat(254), format!("a:{}", "t".repeat(129)));
    let part = "each part of the repository must be lower-case letters and digits, with '.', '_', '__' or '-' only between them";
    let host = "the registry must be a host name or an IP address, with or without a port";
    let tags = "the tag must be 1 to 128 letters, digits, '_', '.' or '-', the first a letter, a digit or '_'";
    let rows = [
        (" ", "this one is empty"),
        ("a://b", "this one is a URL: leave out everything up to //"),
        (&id, "this one is an image's id: put sha256: before it"),
        (&long, "this one is longer than 255 characters"),
        ("a/B", "the repository must be in lower case"),
        ("a_/b", part),
        ("a.b:c/d", "the registry's port must be a number"),
        ("a..b/c", host),
        ("[1.2.3.4]:5/c", host),
        (&tag, tags),
        ("a:-b", tags),
        ("a:", "the colon is followed by no tag"),
        (
            "a@sha256:0",
            "the digest must be sha256:, sha384: or sha512: and all its hexadecimal digits",
        ),
    ];
    for (text, why) in rows {
        let expected =
            format!("must be an image name such as ghcr.io/actions/actions-runner:latest; {why}");
        assert_eq!(ImageName::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    assert!(ImageName::parse(&"0".repeat(63)).is_ok() && ImageName::parse(&"0".repeat(65)).is_ok());
}
