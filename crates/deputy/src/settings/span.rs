//! Lengths of time as the file spells them: `500ms`, `60s`, `10m`, `24h`, `30d`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads one and holds it to its bounds.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time");
    let duration = deputy_core::time::length(text).ok_or_else(wrong)?;
    if bounds.contains(&duration) { Ok(duration) } else { Err(format!("`{text}` is out of bounds")) }
}

/// Spells one.
pub(super) fn text(duration: Duration) -> String {
    let millis = duration.as_millis();
    // A day is 24h, as everybody writes it; more are days.
    if millis > 86_400_000 && millis.is_multiple_of(86_400_000) {
        return format!("{}d", millis / 86_400_000);
    }
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}
