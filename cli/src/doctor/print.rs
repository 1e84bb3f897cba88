//! Findings for people and for programs.

use std::io::{self, Write};

use mayfly_common::foreign_text::steers;
use mayfly_github::checkup::{Finding, Level};
use serde::Serialize;

use super::topic::Topic;
use crate::print::Colours;

/// What was found about one topic.
pub(super) type Found = (Topic, Vec<Finding>);

#[derive(Serialize)]
struct Line<'a> {
    topic: Topic,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// One line of JSON for each finding.
pub(super) fn json(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    for (topic, findings) in found {
        for finding in findings {
            serde_json::to_writer(&mut *out, &Line { topic: *topic, finding })?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// One line for each finding, and one more for its hint; where there is more than one topic, each under its name.
pub(super) fn text(out: &mut impl Write, found: &[Found], colours: Colours) -> io::Result<()> {
    for (topic, findings) in found {
        if found.len() > 1 {
            let name = topic.as_str();
            if colours == Colours::On {
                writeln!(out, "\x1b[1m{name}\x1b[0m")?
            } else {
                writeln!(out, "{name}")?
            }
        }
        for finding in findings {
            line(out, finding, colours)?;
        }
    }
    Ok(())
}

fn line(out: &mut impl Write, finding: &Finding, colours: Colours) -> io::Result<()> {
    let (word, colour) = match finding.level {
        Level::Ok => ("ok", 32),
        Level::Warning => ("warning", 33),
        Level::Failure => ("failure", 31),
    };
    if colours == Colours::On {
        write!(out, "\x1b[{colour}m{word:<7}\x1b[0m")?;
    } else {
        write!(out, "{word:<7}")?;
    }
    writeln!(out, "  {}", plain(&finding.what))?;
    if let Some(hint) = &finding.hint {
        writeln!(out, "{:<9}→ {}", "", plain(hint))?;
    }
    Ok(())
}

/// Without what could speak to the terminal: some of it is GitHub's or the engine's, or whoever answered in their place.
fn plain(text: &str) -> String {
    text.chars().filter(|found| !steers(*found)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::{failure, ok, warning};
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![ok("known"), warning("little \x1b[31mleft", "wait"), failure("broken", "mend")]
    }

    fn written(found: &[Found], colours: Colours) -> String {
        let mut out = Vec::new();
        text(&mut out, found, colours).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_aligned_and_cannot_speak_to_the_terminal() {
        let expected = "ok       known\nwarning  little [31mleft\n         → wait\nfailure  broken\n         → mend\n";
        assert_eq!(written(&[(Topic::GitHub, findings())], Colours::Off), expected);
        let one = (Topic::GitHub, vec![ok("known")]);
        assert_eq!(written(&[one], Colours::On), "\x1b[32mok     \x1b[0m  known\n");
        let wrong = (Topic::GitHub, vec![warning("a", "b"), failure("c", "d")]);
        let expected =
            "\x1b[33mwarning\x1b[0m  a\n         → b\n\x1b[31mfailure\x1b[0m  c\n         → d\n";
        assert_eq!(written(&[wrong], Colours::On), expected);
    }

    #[test]
    fn many_topics_have_their_names_above() {
        let found = [(Topic::Disk, vec![ok("a")]), (Topic::Clock, vec![ok("b")])];
        assert_eq!(written(&found, Colours::Off), "disk\nok       a\nclock\nok       b\n");
        let bold = "\x1b[1mdisk\x1b[0m\n\x1b[32mok     \x1b[0m  a\n\x1b[1mclock\x1b[0m\n\x1b[32mok     \x1b[0m  b\n";
        assert_eq!(written(&found, Colours::On), bold);
    }

    #[test]
    fn a_line_of_json_names_its_topic() {
        let mut out = Vec::new();
        json(
            &mut out,
            &[
                (Topic::GitHub, vec![ok("a"), warning("b", "c")]),
                (Topic::Disk, vec![failure("d", "e")]),
            ],
        )
        .unwrap();
        let expected = concat!(
            "{\"topic\":\"github\",\"level\":\"ok\",\"what\":\"a\",\"hint\":null}\n",
            "{\"topic\":\"github\",\"level\":\"warning\",\"what\":\"b\",\"hint\":\"c\"}\n",
            "{\"topic\":\"disk\",\"level\":\"failure\",\"what\":\"d\",\"hint\":\"e\"}\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
