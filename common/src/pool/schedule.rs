//! Times at which a pool keeps another number of runners waiting.
//!
//! A schedule holds in every minute that its cron expression names, by the clock on the wall of its time zone. So nothing has to
//! be reckoned over changes of the clock: an hour that the clock skips is not there, one that it repeats counts twice.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// The fields of an expression: name, least, most, names of values.
const FIELDS: [(&str, u8, u8, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of the month", 1, 31, &[]),
    (
        "month",
        1,
        12,
        &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    ),
    // 7 is Sunday, too.
    ("day of the week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// A number of waiting runners for certain times.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    when: String,
    /// Minutes, hours, days of the month, months, days of the week: a bit for each value.
    fields: [u64; 5],
    /// True if days of the month and of the week are both restricted: then either is enough (POSIX `crontab`).
    either_day: bool,
    zone: TimeZone,
    zone_name: String,
    min_idle: u32,
}

/// Why a schedule is none, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSchedule(String);

impl Schedule {
    /// A schedule for the minutes that `when` names: five fields as `crontab` has them (minute, hour, day of the month, month,
    /// day of the week) with `*`, lists, ranges, steps and English names. `zone` is an IANA name such as `Europe/Berlin`.
    ///
    /// Errors: the field that is wrong, in words.
    pub fn new(when: &str, min_idle: u32) -> Result<Self, InvalidSchedule> {
        let texts: Vec<&str> = when.split_whitespace().collect();
        let Ok(texts) = <[&str; 5]>::try_from(texts) else {
            return Err(InvalidSchedule(
                "must have five fields: minute, hour, day of the month, month, day of the week"
                    .to_owned(),
            ));
        };
        let mut fields = [0; 5];
        for ((bits, text), (name, least, most, names)) in fields.iter_mut().zip(texts).zip(FIELDS) {
            *bits = field(text, least, most, names).ok_or_else(|| {
                InvalidSchedule(format!("{text:?} is no {name} from {least} to {most}"))
            })?;
        }
        // Sunday is 0 and 7.
        fields[4] |= fields[4] >> 7 & 1;
        let restricted = |text: &str| !text.starts_with('*');
        Ok(Self {
            when: when.to_owned(),
            fields,
            either_day: restricted(texts[2]) && restricted(texts[4]),
            zone: TimeZone::UTC,
            zone_name: "UTC".to_owned(),
            min_idle,
        })
    }

    /// The same by the clock of another time zone, an IANA name such as `Europe/Berlin`.
    ///
    /// Errors: there is no such zone.
    pub fn in_zone(self, name: &str) -> Result<Self, InvalidSchedule> {
        let zone = TimeZone::get(name).map_err(|_| {
            InvalidSchedule(format!(
                "{name:?} is no time zone; write one such as Europe/Berlin or UTC"
            ))
        })?;
        Ok(Self { zone, zone_name: name.to_owned(), ..self })
    }

    /// How many runners wait while it holds.
    pub fn min_idle(&self) -> u32 {
        self.min_idle
    }

    /// True if it holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        let wall = now.to_zoned(self.zone.clone());
        let has = |field: usize, value: i8| self.fields[field] >> value & 1 == 1;
        let (day, weekday) = (has(2, wall.day()), has(4, wall.weekday().to_sunday_zero_offset()));
        let days = if self.either_day { day || weekday } else { day && weekday };
        has(0, wall.minute()) && has(1, wall.hour()) && has(3, wall.month()) && days
    }

    /// When, after `now` and within a day, it next begins or ends to hold; to the minute.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let holds = self.holds(now);
        let minute = Timestamp::from_second(now.as_second().div_euclid(60) * 60).ok()?;
        (1..=24 * 60)
            .filter_map(|minutes| minute.checked_add(SignedDuration::from_mins(minutes)).ok())
            .find(|&at| self.holds(at) != holds)
    }
}

/// The values that one field names, a bit for each.
fn field(text: &str, least: u8, most: u8, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let word = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let word = word.and_then(|index| u8::try_from(index).ok()).map(|index| index + least);
        let digits = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        word.or_else(digits).filter(|number: &u8| (least..=most).contains(number))
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u8>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        for bit in (from..=to).step_by(usize::from(step)) {
            bits |= 1 << bit;
        }
    }
    Some(bits)
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Schedule", 3)?;
        fields.serialize_field("when", &self.when)?;
        fields.serialize_field("timezone", &self.zone_name)?;
        fields.serialize_field("min_idle", &self.min_idle)?;
        fields.end()
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schedule:{} {}: {}", self.when, self.zone_name, self.min_idle)
    }
}

#[cfg(test)]
mod tests;
