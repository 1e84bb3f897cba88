//! The text formats of metrics, and the one that a client gets (`OpenMetrics` 1.0; Prometheus text format 0.0.4).
//!
//! Both services render `OpenMetrics`. Most tools, `promtool check metrics` among them, read only the older format, so that is
//! what a client gets that prefers `text/plain` in `Accept`. The metrics here have no exemplars and no `_created` samples, which
//! the older format does not know.

use std::fmt::Write as _;

use http::{HeaderMap, header};

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' own text format 0.0.4.
    Prometheus,
}

impl Format {
    /// The format that a request's `Accept` prefers; `OpenMetrics` if it has no preference.
    pub fn preferred(headers: &HeaderMap) -> Self {
        let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<Range> =
            accept.flat_map(|line| line.split(',')).map(Range::parse).collect();
        let weight = |kind: &str, subtype: &str| {
            let covering = ranges.iter().filter_map(|range| range.weight(kind, subtype));
            // The most specific range counts (RFC 9110, section 12.5.1).
            covering.max_by_key(|(precision, _)| *precision).unwrap_or_default()
        };
        let (plain, open) = (weight("text", "plain"), weight("application", "openmetrics-text"));
        // At equal quality the format that is named more precisely is the wanted one.
        let is_plain = plain.1 > 0 && (plain.1, plain.0) > (open.1, open.0);
        if is_plain { Self::Prometheus } else { Self::OpenMetrics }
    }

    /// The media type to answer with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Writes metrics, given as `OpenMetrics` text, in this format.
    pub fn write(self, openmetrics: String) -> String {
        match self {
            Self::OpenMetrics => openmetrics,
            Self::Prometheus => prometheus(&openmetrics),
        }
    }
}

/// One media range of an `Accept` header.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next().unwrap_or_default().split_once('/').unwrap_or_default();
        let quality = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
        });
        Self { kind, subtype, quality: quality.unwrap_or(1000) }
    }

    /// How precisely the range names this type, and the quality it gives it; nothing if it does not cover it.
    fn weight(&self, kind: &str, subtype: &str) -> Option<(u8, u32)> {
        let precision = match (self.kind, self.subtype) {
            ("*", "*") => 1,
            (range, "*") if range.eq_ignore_ascii_case(kind) => 2,
            (range, sub)
                if range.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) =>
            {
                3
            }
            _ => return None,
        };
        Some((precision, self.quality))
    }
}

/// A quality value (RFC 9110, section 12.4.2) in thousandths; 0 if it cannot be read.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<3.3}");
    digits.parse().unwrap_or(0).min(1000)
}

/// Counters and infos are named by their samples here, and infos are gauges.
fn prometheus(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = "";
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            // Writing to a String does not fail.
            let _ = writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests;
