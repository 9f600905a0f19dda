//! Counters that are reset, pods that come and go, scrapes that are missed.

use kulta_plugin_sdk::Verdict;

use super::cluster::{CANARY, CANARY_BAD, Cluster, STABLE, STABLE_BAD, detail};
use super::error_rate;

/// Counting has begun, with one pod of each version.
fn begun() -> Cluster {
    let mut cluster = Cluster::new(error_rate());
    cluster.counters((1000.0, 10.0), (5000.0, 50.0));
    cluster.look();
    cluster.wait(15);
    cluster
}

fn counted(cluster: &mut Cluster) -> String {
    let verdict = cluster.look();
    let (counted, _) = detail(&verdict, "error rate").split_once(", ratio ").unwrap();
    counted.to_owned()
}

#[test]
fn nothing_that_was_before_the_beginning_is_counted() {
    let mut cluster = Cluster::new(error_rate());
    cluster.counters((1000.0, 10.0), (5000.0, 50.0));
    let verdict = cluster.look();
    assert!(
        verdict.summary().ends_with("; counting begins"),
        "{}",
        verdict.summary()
    );
    assert_eq!(
        detail(&verdict, "error rate"),
        "0 of 0, stable version 0 of 0, ratio 0 to infinite"
    );
}

#[test]
fn what_counters_grow_by_is_counted() {
    let mut cluster = begun();
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    assert_eq!(counted(&mut cluster), "1 of 100, stable version 2 of 400");
}

#[test]
fn all_queries_are_about_the_same_two_moments() {
    let mut cluster = begun();
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.asked.borrow_mut().clear();
    cluster.look();
    let asked = cluster.asked.borrow();
    assert_eq!(asked.len(), 4);
    assert!(
        asked
            .iter()
            .all(|(_, start, end, step)| end.since(*start) == *step && step.as_secs() == 15)
    );
    assert!(asked.windows(2).all(|pair| pair[0].1 == pair[1].1));
}

#[test]
fn a_counter_that_was_reset_counts_as_what_it_shows() {
    let mut cluster = begun();
    cluster.counters((40.0, 4.0), (5400.0, 52.0));
    assert_eq!(counted(&mut cluster), "4 of 40, stable version 2 of 400");
}

#[test]
fn a_pod_that_is_new_begins_at_0() {
    let mut cluster = begun();
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.scrape(CANARY, "new", 30.0);
    cluster.scrape(CANARY_BAD, "new", 3.0);
    assert_eq!(counted(&mut cluster), "4 of 130, stable version 2 of 400");
}

#[test]
fn bad_counters_that_are_absent_are_0() {
    let mut cluster = Cluster::new(error_rate());
    cluster.scrape(CANARY, "c", 1000.0);
    cluster.scrape(STABLE, "s", 5000.0);
    cluster.look();
    cluster.wait(15);
    cluster.scrape(CANARY, "c", 1100.0);
    cluster.scrape(STABLE, "s", 5400.0);
    assert_eq!(counted(&mut cluster), "0 of 100, stable version 0 of 400");
    cluster.wait(15);
    cluster.scrape(CANARY, "c", 1200.0);
    cluster.scrape(STABLE, "s", 5800.0);
    cluster.scrape(STABLE_BAD, "s", 5.0);
    assert_eq!(counted(&mut cluster), "0 of 200, stable version 5 of 800");
}

#[test]
fn canary_pods_that_are_not_yet_scraped_are_waited_for() {
    let mut cluster = Cluster::new(error_rate());
    cluster.scrape(STABLE, "s", 5000.0);
    cluster.look();
    cluster.wait(15);
    cluster.scrape(CANARY, "c", 20.0);
    cluster.scrape(CANARY_BAD, "c", 1.0);
    cluster.scrape(STABLE, "s", 5400.0);
    assert_eq!(counted(&mut cluster), "1 of 20, stable version 0 of 400");
}

#[test]
fn without_the_stable_version_counting_does_not_begin() {
    let mut cluster = Cluster::new(error_rate());
    cluster.scrape(CANARY, "c", 20.0);
    let verdict = cluster.look();
    assert!(matches!(verdict, Verdict::Running(_)));
    assert_eq!(detail(&verdict, "reason"), "NoData");
    assert_eq!(cluster.state, None);
}

#[test]
fn a_pod_that_goes_takes_nothing_with_it() {
    let mut cluster = begun();
    cluster.scrape(CANARY, "two", 70.0);
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.look();
    cluster.wait(15);
    cluster.scrape(CANARY, "two", None);
    cluster.counters((1200.0, 11.0), (5800.0, 52.0));
    assert_eq!(counted(&mut cluster), "1 of 270, stable version 2 of 800");
}

#[test]
fn a_pod_of_which_a_scrape_was_missed_goes_on_from_where_it_was() {
    let mut cluster = begun();
    cluster.scrape(STABLE, "old", 1_000_000.0);
    cluster.scrape(STABLE, "s", 5000.0);
    cluster.state = None;
    cluster.look();
    for (seconds, old) in [(15, None), (15, None), (15, Some(1_000_300.0))] {
        cluster.wait(seconds);
        cluster.scrape(STABLE, "old", old);
        cluster.counters((1100.0, 11.0), (5400.0, 52.0));
        cluster.look();
    }
    assert_eq!(counted(&mut cluster), "1 of 100, stable version 2 of 700");
}

#[test]
fn a_scrape_that_was_missed_just_when_counting_began_is_noticed() {
    let mut cluster = Cluster::new(error_rate());
    cluster.counters((1000.0, 10.0), (5000.0, 50.0));
    cluster.scrape(STABLE, "old", 1_000_000.0);
    cluster.wait(120);
    cluster.scrape(STABLE, "old", None);
    cluster.look();
    cluster.wait(15);
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.scrape(STABLE, "old", 1_000_300.0);
    assert_eq!(counted(&mut cluster), "1 of 100, stable version 2 of 700");
}

#[test]
fn a_version_that_can_not_be_seen_is_waited_for_and_nothing_is_lost() {
    let mut cluster = begun();
    cluster.scrape(CANARY, "c", None);
    cluster.scrape(CANARY_BAD, "c", None);
    cluster.scrape(STABLE, "s", 5400.0);
    let verdict = cluster.look();
    assert_eq!(detail(&verdict, "reason"), "NoData");
    assert!(
        verdict.summary().ends_with("; no data of the canary"),
        "{}",
        verdict.summary()
    );
    cluster.wait(15);
    cluster.counters((1200.0, 12.0), (5800.0, 53.0));
    assert_eq!(counted(&mut cluster), "2 of 200, stable version 3 of 800");
}

#[test]
fn a_look_too_soon_after_another_asks_nothing() {
    let mut cluster = begun();
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.look();
    cluster.asked.borrow_mut().clear();
    assert_eq!(counted(&mut cluster), "1 of 100, stable version 2 of 400");
    assert!(cluster.asked.borrow().is_empty());
}

#[test]
fn more_bad_requests_than_requests_are_not_believed() {
    let mut cluster = begun();
    cluster.counters((1100.0, 510.0), (5400.0, 52.0));
    let verdict = cluster.look();
    assert_eq!(
        detail(&verdict, "error rate"),
        "0 of 0, stable version 0 of 0, ratio 0 to infinite"
    );
    assert_eq!(detail(&verdict, "reason"), "InDoubt");
}

#[test]
fn what_is_no_count_is_not_believed() {
    let mut cluster = begun();
    cluster.counters((f64::NAN, 11.0), (5400.0, 52.0));
    cluster.scrape(CANARY, "two", 7.0);
    assert_eq!(detail(&cluster.look(), "reason"), "InDoubt");
}

#[test]
fn after_too_long_a_time_counting_begins_anew_and_can_not_pass() {
    let mut cluster = begun();
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.look();
    cluster.wait(7 * 60 * 60);
    cluster.counters((90_000.0, 11.0), (500_000.0, 52.0));
    assert_eq!(detail(&cluster.look(), "reason"), "Began");
    cluster.wait(15);
    cluster.counters((90_100.0, 11.0), (500_400.0, 52.0));
    let verdict = cluster.look();
    assert!(detail(&verdict, "error rate").starts_with("1 of 200, stable version 2 of 800"));
    assert_eq!(detail(&verdict, "reason"), "InDoubt");
}

/// So many pods are gone at once, of which one comes back.
fn one_of_many_comes_back(gone: u32) -> Verdict {
    let mut cluster = Cluster::new(error_rate());
    cluster.counters((1000.0, 10.0), (5000.0, 50.0));
    for pod in 0..gone {
        cluster.scrape(STABLE, &pod.to_string(), 100.0);
    }
    cluster.look();
    cluster.wait(15);
    for pod in 0..gone {
        cluster.scrape(STABLE, &pod.to_string(), None);
    }
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.look();
    cluster.wait(15);
    cluster.scrape(STABLE, "0", 150.0);
    cluster.counters((1100.0, 11.0), (5400.0, 52.0));
    cluster.look()
}

#[test]
fn many_pods_that_are_gone_are_remembered() {
    let verdict = one_of_many_comes_back(160);
    assert!(detail(&verdict, "error rate").starts_with("1 of 100, stable version 2 of 450"));
    assert_eq!(detail(&verdict, "reason"), "");
}

#[test]
fn a_pod_that_may_have_been_forgotten_makes_doubt() {
    assert_eq!(detail(&one_of_many_comes_back(161), "reason"), "InDoubt");
}
