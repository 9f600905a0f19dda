//! Latency boundaries.

use kulta_plugin_sdk::{PluginError, Verdict};
use serde_json::json;

use super::cluster::{Cluster, detail};
use super::latency;

const CANARY: &str = "buckets{h=\"6d5f\"}";
const STABLE: &str = "buckets{h=\"77aa\"}";

/// The buckets 0.1, 0.3 (written with one more digit) and all of one pod.
fn scrape(cluster: &mut Cluster, query: &str, buckets: [f64; 3]) {
    for (le, value) in ["0.1", "0.30", "+Inf"].into_iter().zip(buckets) {
        cluster.scrape_labels(query, &[("le", le), ("pod", "p")], Some(value));
    }
}

fn looks(cluster: &mut Cluster, count: u32, canary: [f64; 3], stable: [f64; 3]) -> Verdict {
    let mut verdict = None;
    for look in 0..=count {
        scrape(cluster, CANARY, canary.map(|bucket| bucket * f64::from(look)));
        scrape(cluster, STABLE, stable.map(|bucket| bucket * f64::from(look)));
        verdict = Some(cluster.look());
        cluster.wait(15);
    }
    verdict.unwrap()
}

#[test]
fn requests_above_the_boundary_are_the_bad_ones() {
    let verdict = looks(
        &mut Cluster::new(latency()),
        1,
        [10.0, 90.0, 100.0],
        [40.0, 390.0, 400.0],
    );
    assert!(detail(&verdict, "slower than 0.3").starts_with("10 of 100, stable version 10 of 400"));
    assert!(
        verdict
            .summary()
            .starts_with("slower than 0.3: 10 % of 100, stable version 2.5 % of 400: not decided")
    );
}

#[test]
fn a_slow_canary_fails() {
    let verdict = looks(
        &mut Cluster::new(latency()),
        4,
        [10.0, 700.0, 750.0],
        [40.0, 745.0, 750.0],
    );
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
}

#[test]
fn several_boundaries_are_judged_together() {
    let mut config = latency();
    config["latency"]["boundaries"] = json!([0.3, 0.1]);
    let verdict = looks(
        &mut Cluster::new(config),
        1,
        [60.0, 90.0, 100.0],
        [240.0, 390.0, 400.0],
    );
    assert!(detail(&verdict, "slower than 0.3").starts_with("10 of 100, stable version 10 of 400"));
    assert!(detail(&verdict, "slower than 0.1").starts_with("40 of 100, stable version 160 of 400"));
}

#[test]
fn all_buckets_of_a_pod_are_reset_together() {
    let mut cluster = Cluster::new(latency());
    scrape(&mut cluster, CANARY, [0.0, 5.0, 100.0]);
    scrape(&mut cluster, STABLE, [0.0, 100.0, 100.0]);
    cluster.look();
    cluster.wait(15);
    scrape(&mut cluster, CANARY, [0.0, 6.0, 8.0]);
    scrape(&mut cluster, STABLE, [0.0, 200.0, 200.0]);
    assert!(detail(&cluster.look(), "slower than 0.3").starts_with("2 of 8, stable version 0 of 100"));
}

#[test]
fn a_boundary_that_no_bucket_has_is_named() {
    let mut config = latency();
    config["latency"]["boundaries"] = json!([0.3, 0.25]);
    let mut cluster = Cluster::new(config);
    for _ in 0..2 {
        cluster.wait(15);
        scrape(&mut cluster, CANARY, [0.0, 5.0, 100.0]);
        scrape(&mut cluster, STABLE, [0.0, 100.0, 100.0]);
        if let Err(error) = cluster.try_look() {
            let expected = "latency.boundaries[1]: not all series have such a bucket";
            assert_eq!(error, PluginError::InvalidConfig(expected.to_owned()));
            return;
        }
    }
    panic!("no error");
}

#[test]
fn the_largest_state_fits() {
    let mut config = latency();
    config["latency"]["boundaries"] = json!([0.1, 0.3, 1]);
    let mut cluster = Cluster::new(config);
    let pods: Vec<String> = (0..100).map(|pod| pod.to_string()).collect();
    let scrape_all = |cluster: &mut Cluster, value: Option<f64>| {
        for pod in &pods {
            for le in ["0.1", "0.3", "1", "+Inf"] {
                cluster.scrape_labels(STABLE, &[("le", le), ("pod", pod)], value);
            }
        }
        for le in ["0.1", "0.3", "1", "+Inf"] {
            cluster.scrape_labels(STABLE, &[("le", le), ("pod", "stays")], Some(1.0));
        }
    };
    scrape_all(&mut cluster, Some(1.0));
    cluster.look();
    cluster.wait(15);
    scrape_all(&mut cluster, None);
    cluster.look();
    let size = cluster.state.unwrap().to_bytes().len();
    assert!((7_000..=8_192).contains(&size), "{size}");
}
