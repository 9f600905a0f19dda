//! The loop against an API server that answers as scripted.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use kube::Client;
use serde_json::{Value, json};

use super::*;
use crate::scenario::{Exchange, Reply, answering, expect};

const GET: &str = "GET /apis/coordination.k8s.io/v1/namespaces/kulta-system/leases/lock";
const PUT: &str = "PUT /apis/coordination.k8s.io/v1/namespaces/kulta-system/leases/lock?";
const POST: &str = "POST /apis/coordination.k8s.io/v1/namespaces/kulta-system/leases?";
const OWN: &str = "kulta-0";

fn lease(client: Client) -> Lease {
    Lease::new(Api::namespaced(client, "kulta-system"), "lock", OWN)
}

fn stored(holder: &str, version: &str) -> Value {
    json!({
        "metadata": {"name": "lock", "namespace": "kulta-system", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15},
    })
}

fn get(holder: &str, version: &str) -> Exchange {
    expect(GET, Reply::With(200, stored(holder, version)))
}

fn put(version: &str) -> Exchange {
    expect(PUT, Reply::With(200, stored(OWN, version)))
}

/// What a process does that wants the lease for so many seconds and a half, and whether it holds it then.
async fn held_after(seconds: u64, exchanges: Vec<Exchange>) -> (bool, usize) {
    let gains = AtomicUsize::new(0);
    let held = answering(exchanges, async |client| {
        let lease = lease(client);
        let count = |gained: bool| {
            gains.fetch_add(usize::from(gained), Ordering::Relaxed);
        };
        let time = Duration::from_secs(seconds) + Duration::from_millis(500);
        let ended = timeout(time, lease.hold(count)).await;
        assert!(ended.is_err());
        lease.claim().is_held()
    })
    .await;
    (held, gains.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_is_made_and_renewed() {
    let missing = Reply::failure(404, "NotFound", "not found", &[]);
    let exchanges = vec![
        expect(GET, missing),
        expect(POST, Reply::With(201, stored(OWN, "1"))),
        get(OWN, "1"),
        put("2"),
    ];

    assert_eq!(held_after(2, exchanges).await, (true, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_somebody_deletes_is_made_only_when_its_holder_counts_on_it_no_more() {
    let missing = || expect(GET, Reply::failure(404, "NotFound", "not found", &[]));
    let begin = || vec![get("argo", "1")];
    let gone = |looks: usize| (0..looks).map(move |_| missing());

    let early = begin().into_iter().chain(gone(14)).collect();
    assert_eq!(held_after(14, early).await, (false, 0));
    let made = expect(POST, Reply::With(201, stored(OWN, "2")));
    let late = begin().into_iter().chain(gone(15)).chain([made]);
    assert_eq!(held_after(15, late.collect()).await, (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_time_that_somebody_writes_into_it_ends_no_claim_before_its_own() {
    let mut shortened = stored("argo", "2");
    shortened["spec"]["leaseDurationSeconds"] = json!(1);
    let shortened = || expect(GET, Reply::With(200, shortened.clone()));
    let exchanges: Vec<_> = [get("argo", "1")]
        .into_iter()
        .chain((0..14).map(|_| shortened()))
        .collect();

    assert_eq!(held_after(14, exchanges).await, (false, 0));
}

#[test]
fn what_the_machine_has_slept_counts_against_the_claim() {
    let claim = Claim::default();
    let mut begun = Moment::now();
    claim.renewed(begun);
    assert!(claim.is_held());

    // As after a minute in which no timer went on.
    begun.in_all = begun.in_all.saturating_sub(Duration::from_mins(1));
    claim.renewed(begun);

    assert!(!claim.is_held());
}

#[tokio::test(start_paused = true)]
async fn one_of_somebody_else_is_waited_for() {
    let exchanges = vec![get("argo", "1"), get("argo", "2")];

    assert_eq!(held_after(1, exchanges).await, (false, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_given_back_is_taken() {
    let exchanges = vec![get("argo", "1"), get("", "2"), put("3")];

    assert_eq!(held_after(1, exchanges).await, (true, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_renews_is_taken_after_its_duration() {
    let mut exchanges: Vec<_> = (0..=15).map(|_| get("argo", "1")).collect();
    exchanges.push(put("2"));

    assert_eq!(held_after(15, exchanges).await, (true, 1));
}

#[test]
fn the_process_of_a_pod_is_the_same_after_it_was_started_anew_and_others_never_are() {
    let of_pod = || Lease::identity("kulta-0", Some("uid-1"));

    assert_eq!(of_pod(), of_pod());
    assert_ne!(of_pod(), Lease::identity("kulta-0", Some("uid-2")));
    assert_ne!(Lease::identity("kulta", None), Lease::identity("kulta", None));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slower_does_not_hold_it() {
    let conflict = Reply::failure(409, "Conflict", "the object has been modified", &[]);
    let exchanges = vec![get("", "1"), expect(PUT, conflict)];

    assert_eq!(held_after(0, exchanges).await, (false, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_somebody_else_has_taken_is_not_held_any_more() {
    let exchanges = vec![get("", "1"), put("2"), get("argo", "3")];

    assert_eq!(held_after(2, exchanges).await, (false, 1));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_can_not_renew_stops_in_time_and_goes_on_when_it_can_again() {
    let broken = || expect(GET, Reply::failure(503, "ServiceUnavailable", "down", &[]));
    let begin = || vec![get("", "1"), put("2")];
    let down = |rounds: usize| (0..rounds).map(move |_| broken());

    let soon: Vec<_> = begin().into_iter().chain(down(4)).collect();
    assert_eq!(held_after(8, soon).await, (true, 1));
    let late: Vec<_> = begin().into_iter().chain(down(5)).collect();
    assert_eq!(held_after(10, late).await, (false, 1));
    let again = begin()
        .into_iter()
        .chain(down(5))
        .chain([get(OWN, "2"), put("3")]);
    assert_eq!(held_after(12, again.collect()).await, (true, 2));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_somebody_has_written_over_loses_nothing() {
    let conflict = Reply::failure(409, "Conflict", "the object has been modified", &[]);
    let exchanges = vec![
        get("", "1"),
        put("2"),
        get(OWN, "2"),
        expect(PUT, conflict),
        get(OWN, "3"),
        put("4"),
    ];

    assert_eq!(held_after(4, exchanges).await, (true, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_somebody_else_has_had_meanwhile_is_gained_anew() {
    let exchanges = vec![get("", "1"), put("2"), get("", "4"), put("5")];

    assert_eq!(held_after(2, exchanges).await, (true, 2));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_looked_at_is_taken_as_soon_as_it_is_wanted() {
    let mut exchanges: Vec<_> = (0..=15).map(|_| get("argo", "1")).collect();
    exchanges.extend([get("argo", "1"), put("2")]);
    let half = Duration::from_millis(500);
    let held = answering(exchanges, async |client| {
        let lease = lease(client);
        assert!(timeout(DURATION + half, lease.sight()).await.is_err());
        assert!(timeout(half, lease.hold(|_| {})).await.is_err());
        lease.claim().is_held()
    })
    .await;

    assert!(held);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_keeps_nobody_writing() {
    let exchanges = vec![get("", "1"), put("2"), expect(GET, Reply::Silence)];
    let held = answering(exchanges, async |client| {
        let lease = lease(client);
        let claim = lease.claim();
        let mut holding = Box::pin(lease.hold(|_| {}));
        assert!(
            timeout(RETRY_EVERY + RETRY_EVERY / 2, &mut holding)
                .await
                .is_err()
        );
        let before = claim.is_held();
        // Nothing of the loop runs meanwhile, as in a process that was stopped.
        tokio::time::advance(RENEW_WITHIN).await;
        let after = claim.is_held();
        assert!(holding.now_or_never().is_none());
        (before, after)
    })
    .await;

    assert_eq!(held, (true, false));
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_gives_its_own_back() {
    let given_back = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "lock", "namespace": "kulta-system", "resourceVersion": "2"},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
    });
    let exchanges = vec![
        get("", "1"),
        put("2"),
        get(OWN, "2"),
        put("3").with_body(given_back),
    ];
    let held = answering(exchanges, async |client| {
        let lease = lease(client);
        let holding = timeout(RETRY_EVERY / 2, lease.hold(|_| {})).await;
        assert!(holding.is_err());
        lease.release().await;
        lease.claim().is_held()
    })
    .await;

    assert!(!held);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_held_is_left_alone() {
    answering(Vec::new(), async |client| lease(client).release().await).await;
}
