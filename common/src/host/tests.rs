use super::*;

#[test]
fn localhost_literals_and_the_names_given_are_answered_to() {
    let hosts = PublicHosts::parse(" CI.example.com, api-gateway,,").unwrap();
    for host in [
        "localhost",
        "LocalHost",
        "localhost.",
        "gateway.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "192.0.2.1",
        "[::1]",
        "[2001:db8::1]",
        "ci.example.com",
        "CI.EXAMPLE.COM",
        "ci.example.com.",
        "api-gateway",
    ] {
        assert!(hosts.answer_to(host), "{host}");
    }
    for host in [
        "",
        ".",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xci.example.com",
        "example.com",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:192.0.2.1]",
        "[::ffff:7f00:1]",
        "[::1",
        "api-gateway.evil.example",
    ] {
        assert!(!hosts.answer_to(host), "{host}");
    }
    assert!(!PublicHosts::default().answer_to("api-gateway"));
}

#[test]
fn what_is_no_host_name_is_refused() {
    for bad in [
        "https://ci.example.com",
        "ci.example.com:8443",
        "ci.example.com/path",
        "*",
        "*.example.com",
        "a b",
        "-a",
        "a..b",
        ".",
        "127.1",
        "2130706433",
        "0x7f000001",
    ] {
        assert!(PublicHosts::parse(bad).is_err(), "{bad}");
    }
    for good in ["192.0.2.1", "x1", "a.1b", "xn--mnchen-3ya.example", "my_host"] {
        assert!(PublicHosts::parse(good).is_ok(), "{good}");
    }
    assert_eq!(PublicHosts::parse(" , ").unwrap(), PublicHosts::default());
}

#[test]
fn a_request_names_one_host_or_is_malformed() {
    let named = |version, target: &str, hosts: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, http::HeaderValue::from_static(host));
        }
        super::named(version, &target.parse().unwrap(), &headers)
            .map(|named| named.iter().map(ToString::to_string).collect::<Vec<_>>())
            .map_err(|problem| problem.status)
    };
    let (old, new) = (Version::HTTP_10, Version::HTTP_11);
    assert_eq!(named(new, "/", &["localhost:8080"]).unwrap(), ["localhost:8080"]);
    assert_eq!(named(new, "/", &["a:"]).unwrap(), ["a:"]);
    assert_eq!(named(new, "/", &["[::1]:8080"]).unwrap(), ["[::1]:8080"]);
    assert_eq!(named(new, "http://a/", &["b"]).unwrap(), ["a", "b"]);
    assert!(named(old, "/", &[]).unwrap().is_empty());
    assert_eq!(named(new, "/", &[]), Err(400));
    assert_eq!(named(new, "http://a/", &[]), Err(400));
    for version in [old, new] {
        assert_eq!(named(version, "/", &["a", "a"]), Err(400));
        for odd in ODD {
            assert_eq!(named(version, "/", &[odd]), Err(400), "{odd}");
        }
        for odd in ["http://u@a/", "http://a,b/", "http://127.1/"] {
            assert_eq!(named(version, odd, &["a"]), Err(400), "{odd}");
        }
    }
    for plain in ["a.", "A_b-c.d", "[::ffff:1.2.3.4]:1", "0x7f.example", "1.2.3.4:0"] {
        assert_eq!(named(new, "/", &[plain]).unwrap(), [plain]);
    }
}

/// What is in place of a host, or means one to some programs only.
const ODD: [&str; 32] = [
    "",
    "a b",
    "u@a",
    "u@a:1",
    "a:-1",
    "a:+1",
    "127.0.0.1:abc",
    "localhost:99999",
    "localhost,evil",
    "localhost;evil",
    "localhost%2eevil",
    "loc%61lhost",
    "localhost..",
    ".localhost",
    ".",
    "-a",
    "a!",
    "(a)",
    "a~b",
    "a=b",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "127.1",
    "127.0.0.1.",
    "127.0.0.01",
    "127.0.0.1.1",
    "::1",
    "[::1",
    "[1.2.3.4]",
    "[fe80::1%25lo]",
    "[v1.a]",
];

#[test]
fn names_are_as_long_as_dns_allows() {
    let label = |length| "a".repeat(length);
    assert!(PublicHosts::parse(&label(63)).is_ok());
    assert!(PublicHosts::parse(&label(64)).is_err());
    let name = |last| [label(63), label(63), label(63), label(last)].join(".");
    assert_eq!((name(61).len(), name(62).len()), (253, 254));
    assert!(PublicHosts::parse(&name(61)).is_ok());
    assert!(PublicHosts::parse(&name(62)).is_err());
    for bad in ["a-", "a-.b", "a.-b", "ä", "0x", "a.0X7f", "1"] {
        let said =
            format!("{bad:?} is not a host name like ci.example.com, without scheme and port");
        assert_eq!(PublicHosts::parse(bad), Err(said));
    }
    let authority = |text: &'static str| Authority::from_static(text);
    assert!(is_host(&authority("a:65535")) && !is_host(&authority("a:65536")));
}

#[test]
fn a_refusal_says_why() {
    let problem = misdirected("Not here.");
    assert_eq!(
        (problem.status, &*problem.kind, &*problem.title, problem.detail.as_deref()),
        (
            421,
            "urn:mayfly:problem:unknown-host",
            "This service is not called by that name",
            Some("Not here.")
        )
    );
    let mut headers = HeaderMap::new();
    assert_eq!(only(&headers, &header::HOST).unwrap(), None);
    let missing = named(Version::HTTP_11, &"/".parse().unwrap(), &headers).unwrap_err();
    assert_eq!(missing.detail.as_deref(), Some("Host is missing."));
    headers.append(header::HOST, http::HeaderValue::from_static("a b"));
    assert_eq!(only(&headers, &header::HOST).unwrap(), Some(&b"a b"[..]));
    let odd = named(Version::HTTP_11, &"/".parse().unwrap(), &headers).unwrap_err();
    assert_eq!(odd.detail.as_deref(), Some("Host is not a host."));
    headers.append(header::HOST, http::HeaderValue::from_static("a"));
    let twice = only(&headers, &header::HOST).unwrap_err();
    assert_eq!(
        (twice.status, twice.detail.as_deref()),
        (400, Some("The header host is there more than once."))
    );
}
