use super::*;

/// The example of GitHub's documentation ("Validating webhook deliveries", "Testing the webhook payload validation").
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn secrets(list: &str) -> Secrets {
    Secrets::from_list(&list.to_owned().into()).unwrap()
}

fn signature(text: &str) -> Signature {
    Signature::parse(text.as_bytes()).unwrap()
}

#[test]
fn github_s_documented_example_holds_both_ways() {
    assert!(secrets(SECRET).verify(BODY, &signature(SIGNED)));
    assert_eq!(sign(&SECRET.to_owned().into(), BODY), SIGNED);
}

#[test]
fn one_other_bit_in_body_or_signature_is_refused() {
    let secrets = secrets(SECRET);
    for bit in 0..BODY.len() * 8 {
        let mut body = BODY.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        assert!(!secrets.verify(&body, &signature(SIGNED)), "bit {bit} of the body");
    }
    for bit in 0..256 {
        let mut other = signature(SIGNED);
        other.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!secrets.verify(BODY, &other), "bit {bit} of the signature");
    }
    assert!(!secrets.verify(b"", &signature(SIGNED)));
    assert!(!Secrets::default().verify(BODY, &signature(SIGNED)), "no secret, no signature");
}

#[test]
fn during_a_change_the_old_and_the_new_secret_are_good() {
    let both = secrets(&format!("the new secret of many letters, {SECRET}"));
    assert!(both.verify(BODY, &signature(SIGNED)));
    let new = sign(&"the new secret of many letters".to_owned().into(), BODY);
    assert!(both.verify(BODY, &signature(&new)));
    assert!(!secrets(SECRET).verify(BODY, &signature(&new)));
}

#[test]
fn what_is_no_signature_is_not_read_as_one() {
    let digits = SIGNED.strip_prefix("sha256=").unwrap();
    assert!(Signature::parse(format!("sha256={}", digits.to_uppercase()).as_bytes()).is_some());
    for bad in [
        String::new(),
        digits.to_owned(),
        "sha256=".to_owned(),
        format!("sha1={digits}"),
        format!("SHA256={digits}"),
        format!("sha256={}", &digits[1..]),
        format!("sha256={digits}0"),
        format!("sha256= {}", &digits[1..]),
        format!("sha256=g{}", &digits[1..]),
        format!("sha256=+{}", &digits[1..]),
        format!("{SIGNED},{SIGNED}"),
    ] {
        assert_eq!(Signature::parse(bad.as_bytes()), None, "{bad:?}");
    }
    assert_eq!(Signature::parse(&[0xff; 71]), None);
}

#[test]
fn weak_secrets_are_refused_by_place_and_never_shown() {
    let list = "tooshort,good enough and 16 long,b\u{7}d but sixteen long";
    let errors = Secrets::from_list(&list.to_owned().into()).unwrap_err();
    assert_eq!(
        errors,
        ["secret 1 is shorter than 16 characters", "secret 3 holds a control character"]
    );
    let none = Secrets::from_list(&" , ,".to_owned().into()).unwrap_err();
    assert_eq!(none, ["holds no secret"]);
    let many = [SECRET; MAX_SECRETS + 1].join(",");
    assert!(Secrets::from_list(&many.into()).is_err());
    let shown = format!("{:?} {:#?}", secrets(SECRET), secrets(SECRET));
    assert_eq!(shown, "1 secret 1 secret");
}

#[test]
fn a_file_has_one_secret_per_line_and_may_hold_commas() {
    let text = format!("# the old one\n{SECRET}\n\n  a,secret,with,commas  \r\n");
    let secrets = Secrets::from_lines(&text.into()).unwrap();
    assert_eq!(secrets.len(), 2);
    let signed = sign(&"a,secret,with,commas".to_owned().into(), BODY);
    assert!(secrets.verify(BODY, &signature(&signed)));
}

#[test]
fn the_headers_are_github_s() {
    assert_eq!((HEADER, LEGACY_HEADER), ("x-hub-signature-256", "x-hub-signature"));
}

#[test]
fn secrets_are_sixteen_characters_and_eight_at_most() {
    let list =
        |length, count| Secrets::from_list(&vec!["ä".repeat(length); count].join(",").into());
    assert_eq!(list(15, 1).unwrap_err(), ["secret 1 is shorter than 16 characters"]);
    let eight = list(16, 8).unwrap();
    assert_eq!(
        (eight.len(), eight.is_empty(), format!("{eight:?}")),
        (8, false, "8 secrets".into())
    );
    assert_eq!(list(16, 9).unwrap_err(), ["holds more than 8 secrets"]);
    assert!(Secrets::default().is_empty());
    // Whichever signed, it is found.
    let texts: Vec<String> =
        (1..=8).map(|number| format!("secret number {number} of eight")).collect();
    let all = secrets(&texts.join(","));
    for text in &texts {
        let signed = sign(&text.clone().into(), BODY);
        assert!(all.verify(BODY, &signature(&signed)), "{text}");
    }
    // A place is counted among the secrets, not among the lines.
    let lines = format!("# first\n\n{SECRET}\nshort");
    assert_eq!(
        Secrets::from_lines(&lines.into()).unwrap_err(),
        ["secret 2 is shorter than 16 characters"]
    );
}
