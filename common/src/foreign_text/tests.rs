use proptest::prelude::*;

use super::*;

#[test]
fn credentials_are_redacted_and_words_stay() {
    let jit = format!("ey{}", "Ab1+/".repeat(40));
    let rows = [
        ("Running job: build", "Running job: build"),
        ("token ghp_0123456789abcdef0123456789abcdef0123 used", "*** used"),
        ("github_pat_11ABCDEFG0123456789_abcdefgh", "***"),
        ("Authorization: Bearer abcdefghijklmnop.qrst", "Authorization: ***"),
        (&format!("JIT={jit} end"), "JIT=*** end"),
        ("RUNNER_TOKEN=AABF3JGZDX3P5PMEXLND6TS6FCWO6", "RUNNER_TOKEN=***"),
        ("+ X=AABF3JGZDX3P5PMEXLND6TS6FCWO6 ./config.sh", "+ X=*** ./config.sh"),
        ("AABF3JGZDX3P5PMEXLND6TS6FCWO6", "***"),
        ("TOKEN_2: 'hunter2-hunter2-hunter2' x", "TOKEN_2: '***' x"),
        (r#"{"client_secret":"hunter2!","a":1}"#, r#"{"client_secret":"***","a":1}"#),
        ("DB_PASSWORD=hunter2x; y", "DB_PASSWORD=***; y"),
        ("token=abcdef12,user=bob,code=12", "token=***,user=bob,code=12"),
        (
            "test auth::token::expires_in_1_hour ... ok",
            "test auth::token::expires_in_1_hour ... ok",
        ),
        ("total_tokens=1234567890", "total_tokens=1234567890"),
        ("private_key=/run/secrets/id_rsa2", "private_key=/run/secrets/id_rsa2"),
        (
            "RUNNER_TOKEN=$RUNNER_TOKEN2 api-key=disabled",
            "RUNNER_TOKEN=$RUNNER_TOKEN2 api-key=disabled",
        ),
        ("token: https://docs.github.com/en/v1", "token: https://docs.github.com/en/v1"),
        ("password: authentication-failed-for-user", "password: authentication-failed-for-user"),
        ("secret: CI_DEPLOY_URL is not set", "secret: CI_DEPLOY_URL is not set"),
        ("redis://cache:6379,admin@example.com", "redis://cache:6379,admin@example.com"),
        (
            "token=https://x:ghp_0123456789abcdef0123@ghe.example/o",
            "token=https://x:***@ghe.example/o",
        ),
        ("X_API_KEY = 0123456789abcdef", "X_API_KEY = ***"),
        (
            "git clone https://me:hunter2@ghe.example/o/r",
            "git clone https://me:***@ghe.example/o/r",
        ),
        (
            "token: not given, secrets: none, password: wrong",
            "token: not given, secrets: none, password: wrong",
        ),
        ("TOKEN_FILE=/run/secrets/token", "TOKEN_FILE=/run/secrets/token"),
        ("secret=/x?token=abcd1234", "secret=/x?token=***"),
        ("token://me:hunter2@ghe.example", "token://me:***@ghe.example"),
        ("token=token=token=hunter2", "token=***"),
        ("token=token=token=", "token=token=token="),
        ("GITHUB_RUNNER_TOKEN: is required", "GITHUB_RUNNER_TOKEN: is required"),
        ("the runner's token=*** was refused", "the runner's token=*** was refused"),
        ("see https://docs.example:8080/a@b", "see https://docs.example:8080/a@b"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "***"),
        ("so -----BEGIN PRIVATE KEY-----\nabc\nde", "so ***"),
        ("bc\nde\n-----END PRIVATE KEY----- so", "*** so"),
        (
            "sha 0123456789abcdef0123456789abcdef01234567",
            "sha 0123456789abcdef0123456789abcdef01234567",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(redact(text), expected);
    }
}

#[test]
fn a_line_is_one_short_plain_line() {
    let rows = [
        ("no space left", "no space left"),
        (" \u{1b}[1;31mno\u{1b}[0m\r\nspace\tleft\n", "no space left"),
        ("a\u{1b}]0;title\u{7}b\u{202e}c\u{200b}d\u{0}", "abcd"),
        ("a\u{1b}", "a"),
        ("ghp_0123456789abcdef0123456789abcdef0123", "***"),
    ];
    for (text, expected) in rows {
        assert_eq!(line(text), expected, "{text:?}");
    }
    // A credential that the cut would divide is seen first.
    let late = format!("{} ghp_0123456789abcdef0123456789abcdef0123", "x".repeat(190));
    assert_eq!(line(&late), format!("{} ***", "x".repeat(190)));
    let long = line(&"é".repeat(3_000_000));
    assert_eq!((long.chars().count(), long.ends_with("é…")), (LINE, true));
    assert_eq!(line(&"A".repeat(3_000_000)), "***…", "it is long base64");
    assert_eq!(name(&"é".repeat(300)).chars().count(), NAME);
}

#[test]
fn of_a_log_the_end_is_kept_in_whole_lines() {
    assert_eq!(log(b"one\r\n\ttwo\x1b[31m red\n"), "one\n\ttwo red\n");
    let many: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let kept = log(&many);
    assert!(kept.len() <= LOG && kept.len() > LOG - 20, "{}", kept.len());
    assert!(kept.starts_with("line ") && kept.ends_with("line 19999\n"));
    // Without a line break, and not UTF-8.
    assert_eq!(log(&vec![0xff; 8 << 20]), "\u{fffd}…");
    let spread: Vec<u8> = [b'a', 0xff].repeat(4 << 20);
    assert_eq!(log(&spread).len(), 8195);
}

/// So that a line leaves space for those before it.
#[test]
fn of_a_long_line_of_a_log_the_beginning_is_kept() {
    let cut = format!("{}…", ".".repeat(8192));
    let rows = [
        (".".repeat(8192), ".".repeat(8192)),
        (".".repeat(8193), cut.clone()),
        (format!("a\n{}", ".".repeat(100_000)), format!("a\n{cut}")),
        (format!("a\n{}\nb\n", ".".repeat(100_000)), format!("a\n{cut}\nb\n")),
        (format!("a\n{}\n", ".".repeat(4 << 20)).repeat(7), format!("a\n{cut}\n").repeat(7)),
        // A credential that the cut would divide is seen first.
        (
            format!("{} AABF3JGZDX3P5PMEXLND6TS6FCWO6 {}", ".".repeat(8170), ".".repeat(9_000)),
            format!("{} *** {}…", ".".repeat(8170), ".".repeat(17)),
        ),
    ];
    for (text, expected) in rows {
        let kept = log(text.as_bytes());
        assert!(kept == expected, "{} bytes of {}", kept.len(), text.len());
        assert!(log(kept.as_bytes()) == kept, "it passes unchanged");
    }
}

proptest! {
    #[test]
    fn what_passed_once_passes_unchanged(text in "\\PC{0,300}|[ -~\u{1b}\u{202e}\n]{0,300}") {
        for pass in [line as fn(&str) -> String, name, message, |text| log(text.as_bytes())] {
            let once = pass(&text);
            prop_assert_eq!(&pass(&once), &once);
            prop_assert!(!once.chars().any(|found| steers(found) && found != '\n' && found != '\t'));
        }
    }
}

#[test]
fn each_form_of_a_credential_is_known_from_its_length_on() {
    let rows = [
        ("ghp_", "A", 10),
        ("gho_", "1", 10),
        ("ghu_", "A", 10),
        ("ghs_", "a.b-c_", 2),
        ("ghr_", "A", 10),
        ("github_pat_", "a", 10),
        ("eyJ", "a-_/+", 12),
        ("", "Ab1+", 100),
        ("Bearer ", "a1", 8),
        ("RemoteAuth ", "a1", 8),
        ("token ", "-1a=", 4),
        ("Basic ", "aA1=", 4),
        ("token ", "abCD", 4),
    ];
    for (begin, unit, times) in rows {
        assert_eq!(redact(&format!("{begin}{}", unit.repeat(times))), "***", "{begin}{unit}");
        let short = format!("{begin}{}", unit.repeat(times - 1));
        let short = if unit == "Ab1+" { format!("{short}Ab1") } else { short };
        assert_eq!(redact(&short), short);
    }
    for (length, hidden) in [(28, false), (29, true), (30, false)] {
        let text = format!("A7{}", "B".repeat(length - 2));
        assert_eq!(redact(&text) == "***", hidden, "{length}");
    }
    assert_eq!(redact("xghp_0123456789"), "xghp_0123456789", "a part of a word is none");
}

#[test]
fn credentials_of_urls_and_headers_are_hidden_whatever_signs_they_have() {
    let rows = [
        ("https://robot$ci:Zq9SECRET1@harbor.example/x", "https://robot$ci:***@harbor.example/x"),
        ("https://svc+ci:hunter2@h.example", "https://svc+ci:***@h.example"),
        ("x://a(b)'c,d;e=f&g*h!i:hunter2@h", "x://a(b)'c,d;e=f&g*h!i:***@h"),
        ("git clone https://q1w2e3r4t5y6u7i8@h.example/x", "git clone https://***@h.example/x"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("authorization: basic dTpwd2Q=", "authorization: ***"),
        ("\"Authorization\": \"Basic dXNlcjpwYXNz\"", "\"Authorization\": \"***\""),
        ("Authorization: token abcdefghijklmnop", "Authorization: ***"),
        ("client-secret='ab(cd),1;&x'", "client-secret='***'"),
        (r#"{"password":"ab\"cd,12"}"#, r#"{"password":"***"}"#),
        ("password='ab\"cd1234'", "password='***'"),
        // Where nothing closes it, or there are blanks, it is read as without quotation marks.
        ("password='abcd1234,x", "password='***,x"),
        ("password: 'must have 8 characters'", "password: 'must have 8 characters'"),
    ];
    for (text, expected) in rows {
        assert_eq!(redact(text), expected);
        assert_eq!(redact(expected), expected);
    }
}

#[test]
fn words_are_no_credentials() {
    for text in [
        "Rotate token authentication-middleware",
        "bearer authentication_required",
        "basic infrastructure-tests-2",
        "Authorization: Basic authentication",
        "Authorization: Basic AUTHENTICATION",
        "Refactor token AuthenticationMiddleware",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZABC",
        "ssh://git@github.com/o/r",
        "https://somebody-with-a-name@host.example",
        "client-secret='a(b1)'",
    ] {
        assert_eq!(redact(text), text);
    }
}

#[test]
fn what_a_secret_s_name_is_given_is_hidden() {
    let names = [
        "token",
        "TOKENS",
        "Secret",
        "secret_value",
        "SECRET1",
        "token-2",
        "passwd",
        "password",
        "passphrase",
        "api_key",
        "apikey",
        "API-KEY",
        "access_key",
        "PRIVATE_KEY",
        "auth_key",
    ];
    for name in names {
        for (before, after) in [("=", ""), ("='", "'"), (":\"", "\""), ("\"=", "")] {
            let text = |value: &str| format!("{name}{before}{value}{after}");
            assert_eq!(redact(&text("abcdefg1")), text("***"));
        }
        assert_eq!(
            redact(&format!("{name}=abcdef1")),
            format!("{name}=abcdef1"),
            "seven are too few"
        );
    }
    let rows = [
        // Beside a blank it may be prose: sixteen characters are wanted.
        ("token: abcdefghijklmn1", "token: abcdefghijklmn1"),
        ("token: abcdefghijklmno1", "token: ***"),
        ("token = abcdefghijklmno1", "token = ***"),
        ("token=12345678", "token=12345678"),
        ("token=abcdefgh", "token=abcdefgh"),
        ("token=/abcdef1", "token=/abcdef1"),
        ("token=$abcdef1", "token=$abcdef1"),
        ("token=<abcdef1", "token=<abcdef1"),
        ("token=.abcdef1", "token=.abcdef1"),
        ("key=abcdefg1", "key=abcdefg1"),
        ("x://u:ab@h", "x://u:ab@h"),
        ("x://u:abc@h", "x://u:***@h"),
        ("x://:abc@h", "x://:***@h"),
    ];
    for (text, expected) in rows {
        assert_eq!(redact(text), expected);
    }
}

#[test]
fn each_text_has_its_length() {
    for (pass, most) in [(line as fn(&str) -> String, 200), (message, 600), (name, 256)] {
        let fits = "é".repeat(most);
        assert_eq!(pass(&fits), fits);
        assert_eq!(pass(&"é".repeat(most + 1)), format!("{}…", "é".repeat(most - 1)));
    }
    assert_eq!((LINE, MESSAGE, NAME, LOG, LOG_LINE), (200, 600, 256, 65_536, 8192));
    assert_eq!(
        (cut("abc", 3), cut("abcd", 3), cut("ab", 1), cut("", 0)),
        ("abc".into(), "ab…".into(), "…".into(), String::new())
    );
    // Of a sentence 8 KiB are looked at.
    assert_eq!(line(&format!("a{}", " ".repeat(8191))), "a");
    assert_eq!(line(&format!("a{}", " ".repeat(8192))), "a…");
    // Of a log the last 64 KiB stay.
    let whole = "x\n".repeat(32 << 10);
    assert_eq!(log(whole.as_bytes()), whole);
    assert_eq!(log(format!("y\n{whole}").as_bytes()), whole);
    assert_eq!(log(format!("{whole}y").as_bytes()), format!("{}y", &whole[2..]));
    assert_eq!(log(b"a\xff\xfeb\xff"), "a\u{fffd}b\u{fffd}");
    // Bytes that are no text become longer.
    let spread = log(&[b'a', 0xff, b'\n'].repeat(32 << 10));
    assert!(spread.len() <= 65_536 && spread.len() > 65_530, "{}", spread.len());
}

#[test]
fn each_character_that_steers_is_known() {
    let groups = [
        ('\0', '\u{1f}'),
        ('\u{7f}', '\u{9f}'),
        ('\u{ad}', '\u{ad}'),
        ('\u{61c}', '\u{61c}'),
        ('\u{180e}', '\u{180e}'),
        ('\u{200b}', '\u{200f}'),
        ('\u{2028}', '\u{202e}'),
        ('\u{2060}', '\u{206f}'),
        ('\u{feff}', '\u{feff}'),
    ];
    let expected: Vec<char> = groups.into_iter().flat_map(|(from, to)| from..=to).collect();
    let found: Vec<char> = ('\0'..=char::MAX).filter(|found| steers(*found)).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_belongs_to_an_escape_goes_with_it_and_nothing_else() {
    let rows = [
        ("a\u{1b}[0;1 ~b", "ab"),
        ("a\u{1b}[?25hb", "ab"),
        ("a\u{1b}[1\u{7f}b", "a b"),
        ("a\u{1b}]0;t\u{1b}b", "a b"),
        ("a\u{1b}]0;t\nb", "a b"),
        ("a\u{1b}(b", "a (b"),
        ("a\r\n\t\u{b}b", "a b"),
        ("a \u{b}b", "a b"),
        ("a\u{2028}b", "a b"),
    ];
    for (text, expected) in rows {
        assert_eq!(line(text), expected, "{text:?}");
    }
}

/// A job can print such text, and name itself so: a look at it must need neither much stack nor time that grows with its square.
#[test]
fn a_text_of_names_alone_costs_little() {
    let units = [
        "token=",
        "token=/",
        "token = ",
        "secret:'",
        "://a:token=",
        "Bearer token= ",
        "token='abcd1234,",
        "token=\"a\\",
        "://a,",
        "://token=a,",
        "://aaaaaaaaaaaaaaaa@",
        "token a-b-c-d-e-f-g-h ",
        "authorization: basic abcdefgh ",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZABC ",
        "A1",
        "ey-",
        "-----BEGIN ",
    ];
    let redacting = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        for unit in units {
            let text = unit.repeat(LOG / unit.len());
            let begun = std::time::Instant::now();
            assert!(redact(&text).len() <= LOG);
            let took = begun.elapsed();
            assert!(took.as_secs() < 20, "{unit}: {took:?}");
        }
    });
    redacting.unwrap().join().unwrap();
}

#[test]
fn a_long_secret_goes_as_a_whole() {
    let long = format!("token={}, next", "a1".repeat(2_000));
    assert_eq!(redact(&long), "token=***, next");
}
