//! What is decided, when, and in which words.

use kulta_plugin_sdk::{PluginError, QueryError, State, Value, Verdict};

use super::cluster::{CANARY, Cluster, STABLE, detail};
use super::error_rate;

/// Looks once every 15 seconds while the versions have so many requests and errors between two looks.
fn looks(cluster: &mut Cluster, count: u32, canary: (f64, f64), stable: (f64, f64)) -> Verdict {
    let mut verdict = None;
    for look in 0..=count {
        let grown =
            |(requests, bad): (f64, f64)| (1000.0 + requests * f64::from(look), bad * f64::from(look));
        cluster.counters(grown(canary), grown(stable));
        verdict = Some(cluster.look());
        cluster.wait(15);
    }
    verdict.unwrap()
}

#[test]
fn a_canary_with_many_more_errors_fails() {
    let verdict = looks(&mut Cluster::new(error_rate()), 2, (750.0, 75.0), (750.0, 7.0));
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    assert_eq!(
        verdict.summary(),
        "error rate: 10 % of 1,500, stable version 0.933 % of 1,500: more than 1.25 times (p of fail < 0.001, of pass 1, \
         needed 0.05)"
    );
    let Value::Scalar(p_value) = verdict.outcome().measurement.value else {
        panic!("{verdict:?}");
    };
    assert!(p_value > 0.0 && p_value < 1e-6);
}

#[test]
fn a_healthy_canary_passes_after_some_time() {
    let mut cluster = Cluster::new(error_rate());
    let early = looks(&mut cluster, 2, (375.0, 4.0), (375.0, 4.0));
    assert!(matches!(early, Verdict::Running(_)), "{early:?}");
    assert!(early.summary().contains(": not decided ("), "{}", early.summary());
    let late = looks(&mut Cluster::new(error_rate()), 20, (375.0, 4.0), (375.0, 4.0));
    assert!(matches!(late, Verdict::Pass(_)), "{late:?}");
    assert!(
        late.summary().contains(": less than 2 times ("),
        "{}",
        late.summary()
    );
}

#[test]
fn whoever_goes_on_after_a_pass_still_sees_it_fail() {
    let mut cluster = Cluster::new(error_rate());
    cluster.weight(20);
    looks(&mut cluster, 20, (375.0, 4.0), (375.0, 4.0));
    cluster.weight(50);
    let (mut requests, mut bad) = (375.0 * 20.0 + 1000.0, 80.0);
    let mut last = None;
    for _ in 0..20 {
        (requests, bad) = (requests + 375.0, bad + 40.0);
        cluster.counters((requests, bad), (requests, 80.0 + (bad - 80.0) / 10.0));
        last = Some(cluster.look());
        cluster.wait(15);
    }
    assert!(matches!(last, Some(Verdict::Fail(_))), "{last:?}");
}

#[test]
fn without_requests_nothing_is_ever_decided() {
    let verdict = looks(&mut Cluster::new(error_rate()), 30, (0.0, 0.0), (750.0, 7.0));
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    assert_eq!(
        verdict.summary(),
        "error rate: no requests, stable version 0.933 % of 22,500: not decided (p of fail 1, of pass 1, needed 0.05)"
    );
}

#[test]
fn what_could_not_be_counted_keeps_it_from_passing_and_not_from_failing() {
    let mut cluster = Cluster::new(error_rate());
    cluster.counters((1000.0, 0.0), (1000.0, 0.0));
    cluster.look();
    cluster.wait(15);
    cluster.counters((1001.0, 100.0), (1001.0, 0.0));
    cluster.look();
    cluster.wait(15);
    let mut healthy = Cluster::new(error_rate());
    healthy.state = cluster.state.clone();
    let verdict = looks(&mut healthy, 25, (375.0, 4.0), (375.0, 4.0));
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    assert!(
        verdict
            .summary()
            .ends_with("; not all could be counted, so it can't pass")
    );
    let verdict = looks(&mut cluster, 3, (750.0, 75.0), (750.0, 7.0));
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
}

#[test]
fn everything_that_was_found_out_is_reported() {
    let mut cluster = Cluster::new(error_rate());
    cluster.weight(50);
    let verdict = looks(&mut cluster, 2, (750.0, 75.0), (2250.0, 23.0));
    for (name, value) in [
        ("pFail", "< 0.001"),
        ("pPass", "1"),
        (
            "error rate",
            "150 of 1,500, stable version 46 of 4,500, ratio 5.501 to 19.009",
        ),
        ("trafficShare", "25 %"),
        ("errorRate.total", CANARY),
        ("errorRate.stableTotal", STABLE),
    ] {
        assert_eq!(detail(&verdict, name), value, "{name}");
    }
    assert!(verdict.outcome().measurement.details.len() <= 16);
}

#[test]
fn evidence_of_another_canary_or_in_another_form_is_not_taken_over() {
    let mut cluster = Cluster::new(error_rate());
    looks(&mut cluster, 2, (375.0, 4.0), (375.0, 4.0));
    let state = cluster.state.clone().unwrap();
    let bytes = state.of_version(1).unwrap().to_vec();
    let spoilt = [
        State::new(2, bytes.clone()),
        State::new(1, bytes[..bytes.len() - 1].to_vec()),
        State::new(1, Vec::new()),
    ];
    for state in spoilt {
        cluster.state = Some(state);
        assert_eq!(detail(&cluster.look(), "reason"), "Began");
    }
    cluster.state = Some(state);
    cluster.canary_hash("8888");
    assert_eq!(detail(&cluster.look(), "reason"), "Began");
}

#[test]
fn a_query_without_an_answer_is_tried_again() {
    let mut cluster = Cluster::new(error_rate());
    cluster.fault = Some(QueryError::Timeout);
    assert_eq!(
        cluster.try_look(),
        Err(PluginError::Upstream(
            "errorRate.total: no answer in time".to_owned()
        ))
    );
}

#[test]
fn a_fact_that_is_not_known_is_named() {
    let mut config = error_rate();
    config["errorRate"]["bad"] = "x{t=\"$(arg.team)\", h=\"$(canary-hash)\"}".into();
    assert_eq!(
        Cluster::new(config).try_look(),
        Err(PluginError::InvalidConfig(
            "errorRate.bad: $(arg.team): there is no such fact here".to_owned()
        ))
    );
}
