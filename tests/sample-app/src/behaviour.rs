//! How the application behaves right now: errors, delay and readiness, each changeable while it runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error_rate::{ErrorRate, ErrorSpread};
use crate::settings::Settings;

/// The body of `POST /control`: what is given is changed, what is left out stays. Answered with the state after it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// The share of requests answered with 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<ErrorRate>,
    /// The delay before every answer, as text with its unit ("20ms").
    #[serde(skip_serializing_if = "Option::is_none", with = "duration_text")]
    pub latency: Option<Duration>,
    /// Up to this much more delay, as text with its unit.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration_text")]
    pub latency_jitter: Option<Duration>,
    /// What `/readyz` says, in place of the readiness delay. A drain always wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}

/// What to do with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Treatment {
    pub(crate) delay: Duration,
    pub(crate) fails: bool,
}

/// The state behind the answers.
#[derive(Debug)]
pub(crate) struct Behaviour {
    ready_from: Instant,
    changeable: Mutex<Changeable>,
}

#[derive(Debug)]
struct Changeable {
    errors: ErrorSpread,
    latency: Duration,
    latency_jitter: Duration,
    ready: Option<bool>,
}

impl Behaviour {
    /// Starts the readiness delay now.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            ready_from: Instant::now() + settings.readiness_delay,
            changeable: Mutex::new(Changeable {
                errors: ErrorSpread::new(settings.error_rate),
                latency: settings.latency,
                latency_jitter: settings.latency_jitter,
                ready: None,
            }),
        }
    }

    /// Decides on the next request.
    pub(crate) fn treat_next(&self) -> Treatment {
        let mut changeable = self.lock();
        let jitter = changeable.latency_jitter.mul_f64(fastrand::f64());
        Treatment {
            delay: changeable.latency.saturating_add(jitter),
            fails: changeable.errors.next_fails(),
        }
    }

    /// Whether it wants traffic (a drain is not considered here).
    pub(crate) fn is_ready(&self) -> bool {
        let told = self.lock().ready;
        told.unwrap_or_else(|| Instant::now() >= self.ready_from)
    }

    /// Changes what `control` names and gives the state after it.
    pub(crate) fn change(&self, control: &Control) -> Control {
        let mut changeable = self.lock();
        if let Some(rate) = control.error_rate {
            changeable.errors = ErrorSpread::new(rate);
        }
        if let Some(latency) = control.latency {
            changeable.latency = latency;
        }
        if let Some(jitter) = control.latency_jitter {
            changeable.latency_jitter = jitter;
        }
        if control.ready.is_some() {
            changeable.ready = control.ready;
        }
        Control {
            error_rate: Some(changeable.errors.rate()),
            latency: Some(changeable.latency),
            latency_jitter: Some(changeable.latency_jitter),
            ready: changeable.ready,
        }
    }

    /// The state is whole between any two statements, so a panic elsewhere does not make it unusable.
    fn lock(&self) -> MutexGuard<'_, Changeable> {
        self.changeable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Optional durations as text with units.
mod duration_text {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde's `with` calls")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.collect_str(&humantime::format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| humantime::parse_duration(&text).map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_when_its_readiness_delay_has_passed() {
        let readiness_delay = Duration::from_secs(3);
        let behaviour = Behaviour::new(&Settings {
            readiness_delay,
            ..Settings::default()
        });
        assert!(!behaviour.is_ready());
        tokio::time::advance(readiness_delay).await;
        assert!(behaviour.is_ready());
    }

    #[tokio::test]
    async fn being_told_ready_ends_the_readiness_delay() {
        let readiness_delay = Duration::from_hours(1);
        let behaviour = Behaviour::new(&Settings {
            readiness_delay,
            ..Settings::default()
        });
        behaviour.change(&Control {
            ready: Some(true),
            ..Control::default()
        });
        assert!(behaviour.is_ready());
    }

    #[tokio::test]
    async fn the_delay_lies_between_the_latency_and_latency_plus_jitter() {
        let latency = Duration::from_millis(10);
        let latency_jitter = Duration::from_millis(5);
        let behaviour = Behaviour::new(&Settings {
            latency,
            latency_jitter,
            ..Settings::default()
        });
        for _ in 0..1_000 {
            let delay = behaviour.treat_next().delay;
            assert!((latency..=latency + latency_jitter).contains(&delay), "{delay:?}");
        }
    }

    #[tokio::test]
    async fn what_a_control_leaves_out_stays() {
        let latency = Duration::from_millis(10);
        let behaviour = Behaviour::new(&Settings {
            latency,
            ..Settings::default()
        });
        let after = behaviour.change(&serde_json::from_str(r#"{"error_rate": 0.5}"#).unwrap());
        assert_eq!(after.latency, Some(latency));
        assert_eq!(after.error_rate, Some("0.5".parse().unwrap()));
    }

    #[test]
    fn a_control_survives_its_own_json() {
        let control = Control {
            error_rate: Some("0.25".parse().unwrap()),
            latency: Some(Duration::from_millis(20)),
            latency_jitter: None,
            ready: Some(false),
        };
        let text = serde_json::to_string(&control).unwrap();
        assert_eq!(text, r#"{"error_rate":0.25,"latency":"20ms","ready":false}"#);
        assert_eq!(serde_json::from_str::<Control>(&text).unwrap(), control);
    }
}
