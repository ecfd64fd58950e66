//! A moment as people write it: a day, a day and time in UTC, or how long ago.

use deputy_core::Timestamp;
use std::time::Duration;

/// A moment, perhaps seen from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    /// As a time.
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.minus(ago),
        }
    }
}

/// Reads one.
///
/// # Errors
/// Says what a moment looks like.
pub(super) fn parse(text: &str) -> Result<Moment, String> {
    let wrong =
        || "write 2026-11-21, 2026-11-21T14:00:00Z, or a length of time ago: 30s, 15m, 2h, 7d".to_owned();
    ago(text).map(Moment::Ago).or_else(|| at(text).map(Moment::At)).ok_or_else(wrong)
}

fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// RFC 3339 in UTC, the time of day optional, seconds and their fraction too.
fn at(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00Z"));
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.strip_suffix('Z')?.splitn(3, ':');
    let (hour, minute) = (number(time.next()?)?, number(time.next()?)?);
    let second = match time.next() {
        Some(text) => number(text.split('.').next()?)?,
        None => 0,
    };
    let within = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !within || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let found = Timestamp::from_seconds(seconds);
    // The thirty-first of a short month lands in the next one.
    let again = found.to_string();
    (second == 60 || again.get(8..10)?.parse() == Ok(day)).then_some(found)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Days of a Gregorian date since 1970-01-01.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_a_time_or_how_long_ago() {
        let at = |text: &str| match parse(text) {
            Ok(Moment::At(at)) => at.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(at("1970-01-01"), "1970-01-01T00:00:00.000Z");
        assert_eq!(at("2024-02-29T13:05Z"), "2024-02-29T13:05:00.000Z");
        assert_eq!(at("2026-11-21T23:29:30.9Z"), "2026-11-21T23:29:30.000Z");
        assert_eq!(parse("2h"), Ok(Moment::Ago(Duration::from_secs(7200))));
        let now = Timestamp::from_seconds(86_400 * 8);
        assert_eq!(parse("7d").map(|moment| moment.from(now)), Ok(Timestamp::from_seconds(86_400)));
    }

    #[test]
    fn what_is_no_moment_is_told_what_one_looks_like() {
        for text in
            ["yesterday", "2026-02-30", "2026-13-01", "2026-1-1T25:00Z", "h", "", "2026-11-21T10:00:00+01:00"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
