//! What users write.

#[cfg(test)]
use schemars::JsonSchema;

use kulta_plugin_sdk::ConfigError;
use serde::Deserialize;

use crate::civil::{DAY, Moment, TimeOfDay};

/// When changes may be made: in the allowed hours, where there are any, and outside of every freeze. Without both the
/// gate would always be open: `allowed` or `freezes` is needed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[cfg_attr(test, schemars(extend("anyOf" = [{"required": ["allowed"]}, {"required": ["freezes"]}])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Whose clocks are meant: a name of the IANA time zone database, such as `Europe/Berlin` or `UTC`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub time_zone: String,
    /// The gate is open in these hours only. Left out: at all hours.
    #[cfg_attr(test, schemars(with = "Vec<Window>", length(min = 1)))]
    #[serde(default)]
    pub allowed: Option<Vec<Window>>,
    /// While one of these lasts, the gate is closed, whatever the hour.
    #[cfg_attr(test, schemars(with = "Vec<Freeze>"))]
    #[serde(default)]
    pub freezes: Option<Vec<Freeze>>,
}

/// Hours that come again every week, by what clocks show.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins. Left out: every day.
    #[cfg_attr(test, schemars(with = "Vec<Day>", length(min = 1)))]
    #[serde(default)]
    pub days: Option<Vec<Day>>,
    /// Its first minute, from `00:00` to `23:59`.
    #[cfg_attr(
        test,
        schemars(with = "String", regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))
    )]
    pub from: TimeOfDay,
    /// The first minute that is no longer in it, from `00:00` to `24:00`. Where it is not after `from`, the window goes
    /// on past midnight and ends on the next day.
    #[cfg_attr(
        test,
        schemars(with = "String", regex(pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))
    )]
    pub until: TimeOfDay,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A time without changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Freeze {
    /// Its first minute as clocks show it, such as `2026-12-20T18:00`; a date alone is that date's `00:00`.
    #[cfg_attr(
        test,
        schemars(
            with = "String",
            regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T([01][0-9]|2[0-3]):[0-5][0-9])?$")
        )
    )]
    pub from: Moment,
    /// The first minute that is no longer in it, written alike: a date alone is not part of the freeze.
    #[cfg_attr(
        test,
        schemars(
            with = "String",
            regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T([01][0-9]|2[0-3]):[0-5][0-9])?$")
        )
    )]
    pub until: Moment,
    /// What people are told while it lasts.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub reason: String,
}

impl Config {
    /// The freezes; none where they are left out.
    pub(crate) fn freezes(&self) -> &[Freeze] {
        self.freezes.as_deref().unwrap_or_default()
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.time_zone.trim().is_empty() {
            return Err(ConfigError::new("timeZone", "is empty"));
        }
        if self.allowed.is_none() && self.freezes.is_none() {
            return Err(ConfigError::new("", "allowed or freezes is needed"));
        }
        if self.allowed.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(
                "allowed",
                "is empty, so that the gate would never open; leave it out to allow all hours",
            ));
        }
        for (index, window) in self.allowed.iter().flatten().enumerate() {
            window.check(&format!("allowed[{index}]"))?;
        }
        for (index, freeze) in self.freezes().iter().enumerate() {
            freeze.check(&format!("freezes[{index}]"))?;
        }
        Ok(())
    }
}

impl Window {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.days.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(
                &format!("{path}.days"),
                "is empty; leave it out for every day",
            ));
        }
        if self.from.seconds() >= DAY {
            return Err(ConfigError::new(
                &format!("{path}.from"),
                "has to be from \"00:00\" to \"23:59\"",
            ));
        }
        Ok(())
    }
}

impl Freeze {
    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.until <= self.from {
            return Err(ConfigError::new(
                &format!("{path}.until"),
                "has to be after from; a date alone is that date's 00:00",
            ));
        }
        if self.reason.trim().is_empty() {
            return Err(ConfigError::new(&format!("{path}.reason"), "is empty"));
        }
        Ok(())
    }
}
