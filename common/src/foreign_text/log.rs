//! The end of a log: in bounded memory while it is read, in whole lines when it is shown.
//!
//! A line that is longer than [`LOG_LINE`] keeps its beginning alone. Otherwise one such line would leave no space for those before it.

use super::{Breaks, CUT, cleaned, redact};

/// Longest log, in bytes.
pub const LOG: usize = 64 << 10;
/// Longest line of a log, in bytes, without the sign that it was cut.
pub const LOG_LINE: usize = 8 << 10;

/// How much of a line is looked at, in bytes: enough to recognise a credential before it is cut in two.
const LOOKED_AT: usize = 2 * LOG_LINE;
/// How many bytes are held at least: enough for `LOG` bytes of lines that are each cut to `LOG_LINE`.
const HELD: usize = 2 * LOG + LOOKED_AT;

/// The end of a log that arrives in pieces.
#[derive(Debug, Default)]
pub struct LogEnd {
    /// The last lines, none with more than `LOOKED_AT` bytes and the sign that it was cut.
    bytes: Vec<u8>,
    /// How many bytes of the last line have arrived.
    line: usize,
}

impl LogEnd {
    /// Adds a piece, and drops what is no longer part of the end.
    pub fn push(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let fits = text.len().min(LOOKED_AT.saturating_sub(self.line));
            self.bytes.extend_from_slice(&text[..fits]);
            if fits < text.len() && self.line <= LOOKED_AT {
                self.bytes.extend_from_slice(CUT.encode_utf8(&mut [0; 4]).as_bytes());
            }
            self.line = self.line.saturating_add(text.len());
            if text.len() < part.len() {
                self.bytes.push(b'\n');
                self.line = 0;
                self.shrink();
            }
        }
    }

    /// Lets whole lines go as soon as twice as much is held as has to be.
    fn shrink(&mut self) {
        if self.bytes.len() > 2 * HELD {
            let from = self.bytes.len() - HELD;
            let line = self.bytes[from..].iter().position(|byte| *byte == b'\n');
            self.bytes.drain(..line.map_or(from, |at| from + at + 1));
        }
    }

    /// The end as text: at most [`LOG`] bytes, in whole lines. Redacting takes milliseconds: not for the async threads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for chunk in self.shown().utf8_chunks() {
            text.push_str(chunk.valid());
            // One for any number of bytes in a row: each would take three.
            if !chunk.invalid().is_empty() && !text.ends_with(char::REPLACEMENT_CHARACTER) {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let text = redact(&cleaned(&text, Breaks::Kept));
        let text: String = text.split_inclusive('\n').flat_map(shortened).collect();
        last_lines(&text).to_owned()
    }

    /// The last lines, as many as may be shown. Only these are redacted.
    fn shown(&self) -> &[u8] {
        let (mut from, mut most) = (self.bytes.len(), LOG);
        for line in self.bytes.split_inclusive(|byte| *byte == b'\n').rev() {
            let Some(left) = most.checked_sub(line.len().min(LOG_LINE)) else { break };
            (from, most) = (from - line.len(), left);
        }
        &self.bytes[from..]
    }
}

/// A line with its end, or what is left of both if it is too long.
fn shortened(line: &str) -> [&str; 3] {
    let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
    if text.len() <= LOG_LINE {
        return [line, "", ""];
    }
    // What was shown of it while it was shorter is still its beginning.
    [&text[..text.floor_char_boundary(LOG_LINE)], "…", end]
}

/// The last lines, at most [`LOG`] bytes.
fn last_lines(text: &str) -> &str {
    let Some(over) = text.len().checked_sub(LOG).filter(|over| *over > 0) else { return text };
    // No line is half as long as that.
    let line = text.as_bytes()[over - 1..].iter().position(|byte| *byte == b'\n');
    line.map_or("", |at| &text[over + at..])
}

/// The end of a log as [`LogEnd::text`] shows it.
pub fn log(bytes: &[u8]) -> String {
    let mut end = LogEnd::default();
    end.push(bytes);
    end.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_end_is_held_in_bounded_memory() {
        let mut end = LogEnd::default();
        for number in 0..100_u32 {
            end.push(&[number.to_string().as_bytes(), &vec![b'.'; 15 << 10], b"\n"].concat());
            assert!(end.bytes.len() <= 2 * HELD, "{number}: {}", end.bytes.len());
            assert!(end.text().ends_with(&format!("{}…\n", ".".repeat(100))), "{number}");
        }
        for piece in [vec![b'y'; 8 << 20], vec![0xff; 8 << 20], b"y\n".repeat(4 << 20)] {
            end.push(&piece);
            assert!(end.bytes.len() <= 2 * HELD + LOOKED_AT, "{}", end.bytes.len());
        }
        assert_eq!(end.text(), "y\n".repeat(LOG / 2));
    }

    #[test]
    fn pieces_of_a_line_are_one_line() {
        let mut end = LogEnd::default();
        for _ in 0..7 {
            end.push(b"before\n");
            for _ in 0..7 {
                end.push(&[b'.'; 16 << 10]);
            }
            end.push(b"\nafter\n");
        }
        let long = ".".repeat(8192);
        assert_eq!(end.text(), format!("before\n{long}…\nafter\n").repeat(7));
    }
}
