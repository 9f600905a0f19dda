//! Pauses and deadlines are reckoned from times that were written down: by this machine's clock, and the API server's.

use http::Request;
use http::header::DATE;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;

use super::{Area, Finding, Patient};

/// Anything that the API server answers at once.
const QUESTION: &str = "/version";
/// Clocks that are further apart shift pauses and deadlines so far that people see it. The answer's own is a whole second.
const TOLERATED: SignedDuration = SignedDuration::from_secs(5);

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let request = match Request::get(QUESTION).body(Body::empty()) {
        Ok(request) => request,
        Err(error) => return vec![unknown(&error.to_string())],
    };
    let asked = Timestamp::now();
    let answer = match patient.client.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            return vec![Finding::unanswered(
                Area::Cluster,
                "the API server does not answer",
                &error,
            )];
        }
    };
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let told = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let told = told.and_then(|time| Timestamp::try_from(time).ok());
    let answered = Timestamp::now();
    vec![told.map_or_else(
        || unknown("it tells no time"),
        |told| compared(asked, answered, told),
    )]
}

fn unknown(why: &str) -> Finding {
    let text = format!("the API server's clock can't be read: {why}");
    Finding::doubtful(
        Area::Clock,
        text,
        "compare the clocks of this machine and of the API server's",
    )
}

/// This clock, when it was asked and when it was answered, against that of the API server, which was read in between.
fn compared(asked: Timestamp, answered: Timestamp, told: Timestamp) -> Finding {
    let ahead = if told < asked {
        asked.duration_since(told)
    } else if told > answered {
        answered.duration_since(told)
    } else {
        SignedDuration::ZERO
    };
    if ahead.abs() <= TOLERATED {
        return Finding::well(Area::Clock, "this clock is that of the API server");
    }
    let (seconds, side) = (
        ahead.abs().as_secs(),
        if ahead.is_positive() { "ahead of" } else { "behind" },
    );
    let text = format!(
        "this clock is {seconds} s {side} the API server's: pauses and deadlines are wrong by so much"
    );
    Finding::wrong(Area::Clock, text, "let NTP set the clocks of the nodes")
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn clock_that_is_a_second_off_is_well() {
        assert_eq!(compared(at(101), at(101), at(100)).state, State::Well);
    }

    #[test]
    fn answer_that_takes_long_says_nothing_about_the_clock() {
        assert_eq!(compared(at(100), at(109), at(108)).state, State::Well);
    }

    #[test]
    fn clock_that_is_a_minute_behind_is_wrong() {
        let finding = compared(at(40), at(40), at(100));

        assert_eq!(finding.state, State::Wrong);
        assert!(finding.text.contains("60 s behind"), "{}", finding.text);
    }
}
