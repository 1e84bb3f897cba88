//! Tables that fit the terminal, and how times are written.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::steers;

use super::colours::Colours;

/// Fewest columns that tables are made for.
const NARROWEST: u16 = 60;

/// A table that fits the terminal.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    // Some terminals say that they have no columns.
    if table.width().is_some_and(|width| width < NARROWEST) {
        table.set_width(NARROWEST);
    }
    let state = header.iter().position(|name| *name == "state");
    let state = state.filter(|_| Colours::of_output() == Colours::On);
    for row in rows {
        let mut cells = row.map(|cell| Cell::new(plain(&cell)));
        if let Some(cell) = state.and_then(|state| cells.get_mut(state)) {
            *cell = tinted(cell.clone());
        }
        table.add_row(cells);
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// A state in the colour that people expect.
fn tinted(cell: Cell) -> Cell {
    let colour = match cell.content().as_str() {
        "idle" | "active" | "success" | "finished" => Color::Green,
        "busy" | "in progress" => Color::Cyan,
        "starting" | "draining" | "paused" | "waits" => Color::Yellow,
        "failed" | "failure" | "timed_out" => Color::Red,
        "gone" | "disabled" | "cancelled" | "skipped" => Color::DarkGrey,
        _ => return cell,
    };
    cell.fg(colour)
}

/// Names and values, one on a line.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs: Vec<(&str, String)> =
        pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    pairs.iter().fold(String::new(), |text, (name, value)| {
        text + &format!("{name:width$}  {}\n", plain(value))
    })
}

/// Without what could steer the terminal, line breaks excepted: some of it others wrote.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|found| *found == '\n' || !steers(*found)).collect()
}

/// A moment without the fractions of its second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How long ago, in the largest unit that tells enough.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(at))
}

/// A span, in the largest unit that tells enough.
pub(crate) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
