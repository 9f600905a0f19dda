//! Whoever stops in the middle and goes on from what was kept comes to exactly the same.

use kulta_plugin_sdk::{State, Timestamp};

use super::simulation::Scenario;
use crate::counting::Gone;
use crate::state::{Learnt, Memory};
use crate::statistics::Batch;
use crate::statistics::comparison::{Comparison, Rules};
use crate::statistics::weights::WeightTruth;

fn memory(learnt: Learnt) -> Memory {
    Memory {
        fingerprint: 7,
        looked_at: Timestamp::from_milliseconds(1),
        is_in_doubt: false,
        weight: None,
        is_settled: false,
        gone: Gone::default(),
        learnt,
    }
}

/// Through the bytes that KULTA keeps.
fn restarted(learnt: Learnt, begin: Learnt) -> Learnt {
    let kept = memory(learnt).encode().to_bytes();
    let state = State::from_bytes(&kept).unwrap();
    let mut memory = memory(begin);
    memory.take_over(&state).unwrap();
    memory.learnt
}

/// Runs through a rollout and starts again after `restarts` say so.
fn run(kinds: usize, restarts: impl Fn(usize) -> bool) -> Comparison {
    let rules = Rules::new(0.05, [0.25, 1.0]);
    let mut comparison = Comparison::new(kinds);
    for (look, (begins, batch)) in Scenario::new(100.0, 0.01, 1.7).run(3).enumerate() {
        if begins {
            comparison.begin_step();
        }
        comparison.learn(&rules, &vec![batch; kinds]);
        if restarts(look) {
            let begin = Learnt::Comparison(Comparison::new(kinds));
            let Learnt::Comparison(kept) = restarted(Learnt::Comparison(comparison), begin) else {
                panic!("something else");
            };
            comparison = kept;
        }
    }
    comparison
}

#[test]
fn a_comparison_goes_on_as_if_it_had_never_stopped() {
    for kinds in 1..=3 {
        let uninterrupted = run(kinds, |_| false);
        for restart in 0..60 {
            assert_eq!(
                run(kinds, |look| look == restart),
                uninterrupted,
                "after look {restart}"
            );
        }
        assert_eq!(run(kinds, |_| true), uninterrupted);
    }
}

#[test]
fn the_test_of_the_shares_goes_on_as_if_it_had_never_stopped() {
    let shares = [0.9, 0.1];
    let mut uninterrupted = WeightTruth::new(shares, 100.0);
    let mut truth = uninterrupted.clone();
    for look in 0..20 {
        let requests = [90.0 - f64::from(look), 10.0 + f64::from(look)];
        uninterrupted.learn(requests);
        truth.learn(requests);
        let begin = Learnt::Weights(WeightTruth::new([0.5, 0.5], 1.0), Batch::default());
        let Learnt::Weights(kept, _) = restarted(Learnt::Weights(truth, Batch::default()), begin) else {
            panic!("something else");
        };
        truth = kept;
    }
    assert_eq!(truth, uninterrupted);
}

#[test]
fn everything_else_that_is_kept_comes_back() {
    let mut kept = memory(Learnt::Comparison(Comparison::new(2)));
    kept.is_in_doubt = true;
    kept.is_settled = true;
    kept.weight = Some(20);
    kept.gone.overflowed = true;
    kept.gone.counters = vec![(u64::MAX, 1.5), (3, 0.0)];
    let mut taken_over = memory(Learnt::Comparison(Comparison::new(2)));
    taken_over.take_over(&kept.encode()).unwrap();
    assert_eq!(taken_over, kept);
}
