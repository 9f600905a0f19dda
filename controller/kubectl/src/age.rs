//! Times as people read them: how long ago, in the words of kubectl.

use jiff::{SignedDuration, Timestamp};

/// How long ago `then` was, such as `42s`, `5m`, `2d3h`; a time that is still to come is `0s`.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> String {
    short(now.duration_since(then))
}

/// A time in its one or two largest units.
pub(crate) fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let pair = |large: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{part}"),
    };
    // The bounds are those of kubectl's ages.
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        pair(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        pair(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if days < 8 {
        pair(days, "d", hours % 24, "h")
    } else {
        format!("{days}d")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_as_kubectl_writes_them() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (660, "11m"),
            (3 * 3_600, "3h"),
            (3 * 3_600 + 240, "3h4m"),
            (30 * 3_600, "30h"),
            (50 * 3_600, "2d2h"),
            (20 * 86_400, "20d"),
            (-5, "0s"),
        ];
        for (seconds, text) in cases {
            assert_eq!(short(SignedDuration::from_secs(seconds)), text);
        }
    }
}
