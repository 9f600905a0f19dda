//! The one place that polls: what is waited for here (other programs' ports, `/proc`) has nothing to subscribe to.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const INTERVAL: Duration = Duration::from_millis(50);

/// Asks until there is an answer.
///
/// # Errors
/// When the time is over, with what was waited for and the last failure.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        let failure = match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if started.elapsed() > within {
            return match failure {
                Some(error) => Err(error.context(format!("waited {} s for {what}", within.as_secs()))),
                None => bail!("waited {} s for {what}", within.as_secs()),
            };
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition"
)]
fn pause() {
    std::thread::sleep(INTERVAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_soon_as_there_is_one() {
        let mut looks = 0;
        let answer = until("the third look", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn names_what_it_waited_for() {
        let error = until::<()>("godot", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for godot");
    }
}
