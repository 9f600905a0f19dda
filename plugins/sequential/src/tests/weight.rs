//! Whether requests are spread as the weight says.

use kulta_plugin_sdk::{PluginError, Verdict};

use super::cluster::{CANARY, Cluster, STABLE};
use super::weight;

/// A rollout with two versions that have so many requests between two looks.
struct Rollout {
    cluster: Cluster,
    requests: (f64, f64),
}

impl Rollout {
    fn at(weight_in_force: u32) -> Self {
        let mut cluster = Cluster::new(weight());
        cluster.weight(weight_in_force);
        let requests = (1.0, 1.0);
        Self { cluster, requests }
    }

    fn looks(&mut self, count: u32, canary: f64, stable: f64) -> Verdict {
        let mut verdict = None;
        for _ in 0..count {
            self.requests.0 += canary;
            self.requests.1 += stable;
            self.cluster.scrape(CANARY, "c", self.requests.0);
            self.cluster.scrape(STABLE, "s", self.requests.1);
            verdict = Some(self.cluster.look());
            self.cluster.wait(15);
        }
        verdict.unwrap()
    }
}

#[test]
fn shares_like_the_weight_pass_after_enough_requests() {
    let mut rollout = Rollout::at(10);
    let early = rollout.looks(3, 40.0, 360.0);
    assert!(matches!(early, Verdict::Running(_)), "{early:?}");
    let late = rollout.looks(2, 40.0, 360.0);
    assert!(matches!(late, Verdict::Pass(_)), "{late:?}");
    assert_eq!(
        late.summary(),
        "the canary has 10 % of 1,200 requests, the weight is 10 % (p 1, wrong at 0.05)"
    );
}

#[test]
fn other_shares_fail() {
    let verdict = Rollout::at(10).looks(10, 100.0, 300.0);
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    assert!(
        verdict
            .summary()
            .starts_with("the canary has 25 % of 3,200 requests, the weight is 10 %")
    );
}

#[test]
fn the_first_batch_of_a_weight_is_not_judged() {
    let mut rollout = Rollout::at(10);
    rollout.looks(8, 40.0, 360.0);
    rollout.cluster.weight(50);
    let verdict = rollout.looks(2, 40.0, 360.0);
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    let verdict = rollout.looks(6, 200.0, 200.0);
    assert!(matches!(verdict, Verdict::Pass(_)), "{verdict:?}");
    assert!(
        verdict
            .summary()
            .starts_with("the canary has 50 % of 2,400 requests"),
        "{}",
        verdict.summary()
    );
}

#[test]
fn where_all_requests_go_one_way_nothing_is_judged() {
    for weight in [0, 100] {
        let verdict = Rollout::at(weight).looks(6, 300.0, 300.0);
        assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    }
}

#[test]
fn without_a_weight_there_is_nothing_to_compare_with() {
    assert_eq!(
        Cluster::new(weight()).try_look(),
        Err(PluginError::InvalidConfig(
            "weight: there is no weight in force here: it is for rollouts only".to_owned()
        ))
    );
}
