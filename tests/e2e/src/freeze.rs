//! Configurations of the plugin `schedule`: a change freeze, and none.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// No changes from yesterday to tomorrow, for this reason.
#[must_use]
pub fn frozen(reason: &str) -> Value {
    let day = SignedDuration::from_hours(24);
    let date = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M").to_string();
    let now = Timestamp::now();
    json!({
        "timeZone": "Etc/UTC",
        "freezes": [{"from": date(now - day), "until": date(now + day), "reason": reason}],
    })
}

/// Changes are welcome at any time.
#[must_use]
pub fn open() -> Value {
    json!({"timeZone": "Etc/UTC", "allowed": [{"from": "00:00", "until": "24:00"}]})
}
