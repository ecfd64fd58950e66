//! Lengths of time as the file spells them: `500ms`, `60s`, `10m`, `24h`, `400d`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads one and holds it to its bounds.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    let duration = Duration::from_millis(millis.ok_or_else(wrong)?);
    if bounds.contains(&duration) { Ok(duration) } else { Err(format!("`{text}` is out of bounds")) }
}

/// Spells one.
pub(super) fn text(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}
