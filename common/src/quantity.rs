//! Sizes as people write them, in the units Docker takes.

/// Bytes, with an optional k, m or g (powers of 1024), as `docker run --memory` takes them. Docker's least is 6 MB.
///
/// Errors: what the text must be, in words.
pub fn memory(text: &str) -> Result<i64, String> {
    let wrong = || "must be a size of at least 6m, such as 512m or 4g".to_owned();
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (digits, factor) = match text.char_indices().last() {
        Some((end, 'k')) => (&text[..end], 1 << 10),
        Some((end, 'm')) => (&text[..end], 1 << 20),
        Some((end, 'g')) => (&text[..end], 1 << 30),
        _ => (text, 1),
    };
    let bytes = digits
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(wrong)?;
    if bytes < 6 << 20 { Err(wrong()) } else { Ok(bytes) }
}

/// Processors as a decimal number, in billionths, as `docker run --cpus` takes them.
///
/// Errors: what the text must be, in words.
pub fn nano_cpus(text: &str) -> Result<i64, String> {
    let wrong = || "must be a number of processors from 0.01 to 1024, such as 2 or 0.5".to_owned();
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 4 || fraction.len() > 9 {
        return Err(wrong());
    }
    let billionths = format!("{whole}{fraction:0<9}").parse::<i64>().map_err(|_| wrong())?;
    if (10_000_000..=1_024_000_000_000).contains(&billionths) {
        Ok(billionths)
    } else {
        Err(wrong())
    }
}

/// Bytes as people write them: the reverse of [`memory`].
pub fn show_memory(bytes: i64) -> String {
    let units = [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
    let unit = units.into_iter().find(|(size, _)| bytes % size == 0);
    unit.map_or_else(|| bytes.to_string(), |(size, name)| format!("{}{name}", bytes / size))
}

/// Billionths of processors as people write them: the reverse of [`nano_cpus`].
pub fn show_cpus(billionths: i64) -> String {
    let (whole, rest) = (billionths / 1_000_000_000, billionths % 1_000_000_000);
    let digits = format!("{whole}.{rest:09}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_and_billionths() {
        assert_eq!(
            (memory("6m"), memory("4g"), memory("512MB")),
            (Ok(6 << 20), Ok(4 << 30), Ok(512 << 20))
        );
        assert_eq!((nano_cpus("2"), nano_cpus("0.5")), (Ok(2_000_000_000), Ok(500_000_000)));
        for text in ["6m", "4g", "512m", "7340033"] {
            assert_eq!(show_memory(memory(text).unwrap()), text);
        }
        for text in ["2", "0.5", "10", "1.25"] {
            assert_eq!(show_cpus(nano_cpus(text).unwrap()), text);
        }
        for wrong in ["", "4t", "-1", "5m", "99999999999g", "1.5g"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "1025", "-1", "2,5", "0.0000000001"] {
            assert!(nano_cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_end_where_docker_s_do() {
        let least = Err("must be a size of at least 6m, such as 512m or 4g".to_owned());
        let rows = [
            ("6291456", Ok(6_291_456)),
            ("6291455", least.clone()),
            ("6144k", Ok(6_291_456)),
            ("6143k", least.clone()),
            ("7000000b", Ok(7_000_000)),
            (" 8192KB ", Ok(8_388_608)),
            ("3G", Ok(3_221_225_472)),
            ("8589934591g", Ok(9_223_372_035_781_033_984)),
            ("8589934592g", least.clone()),
            ("b", least.clone()),
            ("g", least),
        ];
        for (text, expected) in rows {
            assert_eq!(memory(text), expected, "{text}");
        }
        let shown = [
            (6_292_480, "6145k"),
            (1_048_576, "1m"),
            (1_073_741_824, "1g"),
            (1_074_790_400, "1025m"),
            (1_025, "1025"),
        ];
        for (bytes, text) in shown {
            assert_eq!(show_memory(bytes), text);
        }
    }

    #[test]
    fn processors_end_where_docker_s_do() {
        let wrong =
            Err("must be a number of processors from 0.01 to 1024, such as 2 or 0.5".to_owned());
        let rows = [
            ("0.01", Ok(10_000_000)),
            ("0.009999999", wrong.clone()),
            ("1024", Ok(1_024_000_000_000)),
            (" 1024.000 ", Ok(1_024_000_000_000)),
            ("1024.000000001", wrong.clone()),
            ("0.123456789", Ok(123_456_789)),
            ("0.1234567890", wrong.clone()),
            ("0002", Ok(2_000_000_000)),
            ("00002", wrong.clone()),
            (".5", wrong.clone()),
            ("5.", wrong.clone()),
            ("1.5.0", wrong.clone()),
            ("+1", wrong),
        ];
        for (text, expected) in rows {
            assert_eq!(nano_cpus(text), expected, "{text}");
        }
        let shown =
            [(10_000_000, "0.01"), (123_456_789, "0.123456789"), (1_024_000_000_000, "1024")];
        for (billionths, text) in shown {
            assert_eq!(show_cpus(billionths), text);
        }
    }
}
