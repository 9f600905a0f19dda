//! A count as text.

use std::fmt;
use std::time::Duration;

use crate::counters::Snapshot;
use crate::load::{Ended, Report};

/// The quantiles that a report names: half, nearly all, and the tail.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MaxRequests => "all requests made",
            Self::MaxDuration => "its time was over",
            Self::Stopped => "stopped",
            Self::Broken => "broken off, the count is not complete",
        })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        writeln!(formatter, "requests    {} in {seconds:.1} s", self.sent)?;
        writeln!(formatter, "ok          {}", self.ok)?;
        writeln!(formatter, "failed      {}", self.failed_total())?;
        for (kind, count) in &self.failed {
            let first = self.first_failures.get(kind).map_or("", String::as_str);
            writeln!(formatter, "  {kind:<11} {count} (first: {first})")?;
        }
        if self.in_flight() > 0 {
            writeln!(formatter, "in flight   {}", self.in_flight())?;
        }
        for (version, count) in &self.versions {
            writeln!(
                formatter,
                "version     {version}: {} ok, {} failed",
                count.ok, count.failed
            )?;
        }
        let opened = self.connections_opened;
        writeln!(
            formatter,
            "connections {opened} opened, {} closed while idle",
            self.closed_while_idle
        )?;
        write!(formatter, "latency    ")?;
        if self.latency.is_empty() {
            return write!(formatter, " none, nothing succeeded");
        }
        for (name, quantile) in QUANTILES {
            write!(
                formatter,
                " {name} {:?}",
                microseconds(self.latency.value_at_quantile(quantile))
            )?;
        }
        write!(formatter, " max {:?}", microseconds(self.latency.max()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.total)?;
        write!(formatter, "ended       {}", self.ended)
    }
}

fn microseconds(count: u64) -> Duration {
    Duration::from_micros(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{Counters, Outcome};
    use crate::failure::{Failure, FailureKind};

    const LATENCY: Duration = Duration::from_millis(1);

    #[test]
    fn a_report_names_latencies_from_the_middle_to_the_slowest() {
        let counters = Counters::new().unwrap();
        counters.sent();
        counters.ended(
            Outcome {
                version: None,
                result: Ok(()),
            },
            LATENCY,
        );
        let text = counters.snapshot().to_string();
        assert!(
            text.contains("latency     p50 1ms p90 1ms p99 1ms p99.9 1ms max 1ms"),
            "{text}"
        );
    }

    #[test]
    fn a_report_names_every_kind_of_failure_with_its_first_one() {
        let counters = Counters::new().unwrap();
        let version = Some("v1".to_owned());
        let failure = Failure::new(FailureKind::Status(503), "503 Service Unavailable");
        counters.sent();
        counters.ended(
            Outcome {
                version,
                result: Err(failure),
            },
            Duration::from_millis(1),
        );
        let text = Report {
            total: counters.snapshot(),
            ended: Ended::Stopped,
        }
        .to_string();
        assert!(
            text.contains("status-503  1 (first: 503 Service Unavailable)"),
            "{text}"
        );
        assert!(text.contains("version     v1: 0 ok, 1 failed"), "{text}");
    }

    /// Of two requests, so many succeeded.
    fn report_of(succeeded: usize, ended: Ended) -> Report {
        let counters = Counters::new().unwrap();
        for number in 0..2 {
            let failure = Failure::new(FailureKind::Status(503), "503 Service Unavailable");
            let result = if number < succeeded { Ok(()) } else { Err(failure) };
            counters.sent();
            counters.ended(
                Outcome {
                    version: None,
                    result,
                },
                LATENCY,
            );
        }
        Report {
            total: counters.snapshot(),
            ended,
        }
    }

    #[test]
    fn a_whole_count_without_a_failure_is_clean() {
        assert!(report_of(2, Ended::Stopped).is_clean());
    }

    #[test]
    fn one_failed_request_is_not_clean() {
        assert!(!report_of(1, Ended::Stopped).is_clean());
    }

    /// A request that succeeded, and one that failed so, answered by `version`.
    fn report_with(version: Option<&str>, failure: FailureKind) -> Report {
        let counters = Counters::new().unwrap();
        let outcome = |version: Option<&str>, result| Outcome {
            version: version.map(str::to_owned),
            result,
        };
        let failed = Err(Failure::new(failure, "as asked"));
        for outcome in [outcome(Some("v2"), Ok(())), outcome(version, failed)] {
            counters.sent();
            counters.ended(outcome, LATENCY);
        }
        Report {
            total: counters.snapshot(),
            ended: Ended::Stopped,
        }
    }

    #[test]
    fn what_a_bad_version_answers_by_itself_is_not_lost() {
        let clean = |version, failure| report_with(version, failure).is_clean_but_for("v3");

        assert!(clean(Some("v3"), FailureKind::Status(500)));
        assert!(!clean(Some("v2"), FailureKind::Status(500)));
        assert!(!clean(None, FailureKind::Status(500)));
        assert!(!clean(Some("v3"), FailureKind::Status(503)));
    }

    #[test]
    fn a_count_that_is_not_whole_is_not_clean() {
        assert!(!report_of(2, Ended::Broken).is_clean());
    }

    #[test]
    fn a_count_of_nothing_is_not_clean() {
        let nothing = Report {
            total: Counters::new().unwrap().snapshot(),
            ended: Ended::Stopped,
        };
        assert!(!nothing.is_clean());
    }
}
