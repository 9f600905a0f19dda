//! What becomes of AnalysisRuns that no plugin has to measure; measuring itself is tested on a real cluster.

mod jobs;
mod secrets;

use serde_json::json;

use super::*;
use crate::analysis::configuration::Configuration;
use crate::analysis::plugins::tests::{configuration, digest, host, plugin};
use crate::analysis::providers::tests::crowded_for_ever;
use crate::context::Context;
use crate::scenario::{Reply, expect, scenario};
use crate::watch::samples::{self, key};

const READ: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns/web-abc-2";
const WRITE: &str =
    "PATCH /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns/web-abc-2/status?&fieldManager=kulta";

fn engine(context: &Context) -> AnalysisEngine {
    AnalysisEngine {
        client: context.client.clone(),
        caches: Arc::clone(&context.caches),
        plugins: Arc::default(),
        conditions: Arc::new(Conditions::new(Arc::new(host()))),
        providers: Arc::new(Providers::new(&Configuration::default())),
        events: context.events.clone(),
        metrics: Arc::clone(&context.metrics),
        permission: context.permission.clone(),
        backoffs: Backoffs::default(),
        runs: Shares::new(16, 8),
        calls: Arc::new(Shares::new(1, 1)),
    }
}

/// The version of `prometheus` that the tests have, in service.
async fn with_plugin(context: &Context) -> AnalysisEngine {
    let engine = engine(context);
    engine.plugins.install("prometheus", plugin(1).await);
    engine
}

async fn advanced(run: Value, engine: impl AsyncFnOnce(&Context) -> AnalysisEngine) -> (Progress, String) {
    advanced_by(Vec::new(), run, engine).await
}

async fn advanced_by(
    exchanges: Vec<crate::scenario::Exchange>,
    run: Value,
    engine: impl AsyncFnOnce(&Context) -> AnalysisEngine,
) -> (Progress, String) {
    let ended = scenario(exchanges, async |context| {
        let run = Run::of(serde_json::from_value(run).unwrap(), Group::Kulta).unwrap();
        let task = parse(&run.spec, &stand_in(&run.uid)).unwrap();
        let engine = engine(context).await;
        engine.advance(&key("web-abc-2"), &run, &task).await.unwrap()
    })
    .await;
    (ended.outcome, ended.metrics)
}

fn stand_in(uid: &str) -> impl Fn(&str, &str) -> String {
    move |metric, argument| crate::analysis::secrets::stand_in(uid, metric, argument)
}

fn run() -> Value {
    samples::analysis_run("web", "web-abc-2")
}

async fn reconciled(exchanges: Vec<crate::scenario::Exchange>) -> Option<Instant> {
    let ended = scenario(exchanges, async |context| {
        engine(context).reconcile(&key("web-abc-2")).await
    });
    ended.await.outcome
}

#[tokio::test]
async fn one_that_is_gone_is_left() {
    let gone = Reply::failure(404, "NotFound", "not found", &[]);

    assert!(reconciled(vec![expect(READ, gone)]).await.is_none());
}

/// It was small when it was seen, and everybody else's analyses are worked on by the same process.
#[tokio::test(start_paused = true)]
async fn one_that_has_grown_beyond_all_bounds_is_left_until_it_is_smaller() {
    let mut grown = run();
    grown["spec"]["metrics"][0]["provider"]["plugin"]["prometheus"]["parts"] =
        json!(vec![json!({"": 0}); 100_000]);

    let again = reconciled(vec![expect(READ, Reply::With(200, grown))]).await;

    assert!(again.is_some());
}

#[tokio::test]
async fn one_that_is_complete_is_left_as_it_is() {
    let mut complete = run();
    complete["status"] = json!({"phase": "Failed", "startedAt": "2026-01-01T00:00:00Z"});

    let again = reconciled(vec![expect(READ, Reply::With(200, complete))]).await;

    assert!(again.is_none());
}

const DELETE: &str = "DELETE /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns/web-abc-2?";

/// One that was complete so many seconds ago, and is to stay for a minute.
fn temporary(seconds_ago: i64) -> Value {
    let completed = Timestamp::now() - SignedDuration::from_secs(seconds_ago);
    let mut run = run();
    run["spec"]["ttlStrategy"] = json!({"secondsAfterCompletion": 60});
    run["status"] = json!({"phase": "Failed", "completedAt": completed.to_string()});
    run
}

#[tokio::test]
async fn one_whose_time_is_over_is_deleted() {
    let exchanges = vec![
        expect(READ, Reply::With(200, temporary(61))),
        expect(DELETE, Reply::written("101")),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn one_that_is_complete_stays_for_its_time() {
    let again = reconciled(vec![expect(READ, Reply::With(200, temporary(0)))]).await;

    assert!(again.is_some());
}

#[tokio::test]
async fn one_that_is_being_deleted_is_left() {
    let mut going = run();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");

    assert!(
        reconciled(vec![expect(READ, Reply::With(200, going))])
            .await
            .is_none()
    );
}

#[tokio::test]
async fn one_that_makes_no_sense_comes_to_its_end_at_once() {
    let mut wrong = run();
    wrong["spec"]["metrics"] = json!([]);
    let exchanges = vec![
        expect(READ, Reply::With(200, wrong)),
        expect(WRITE, Reply::written("101")),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn somebody_elses_write_at_the_same_time_is_read_first() {
    let exchanges = vec![
        expect(READ, Reply::With(200, run())),
        expect(WRITE, Reply::test_failed()),
    ];

    assert!(reconciled(exchanges).await.is_some());
}

#[tokio::test]
async fn a_status_that_is_refused_for_its_size_ends_the_analysis_with_a_small_one() {
    let too_large = [
        Reply::failure(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
            &[],
        ),
        Reply::failure(500, "InternalError", "etcdserver: request is too large", &[]),
    ];
    for reply in too_large {
        let exchanges = vec![
            expect(READ, Reply::With(200, run())),
            expect(WRITE, reply),
            expect(WRITE, Reply::written("101")),
        ];

        assert!(reconciled(exchanges).await.is_none());
    }
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_named_before_anything_is_measured() {
    let (progress, _) = advanced(run(), async |context| engine(context)).await;

    let status = progress.status;
    assert_eq!(status.phase, AnalysisPhase::Pending);
    assert_eq!(
        status.message,
        "spec.metrics[0].provider.plugin.prometheus: there is no plugin \"prometheus\"; \
         those in service are: none"
    );
    assert!(
        status
            .metric_results
            .iter()
            .all(|result| result.measurements.is_empty())
    );
}

#[tokio::test]
async fn an_address_that_may_not_be_asked_is_named_before_anything_is_measured() {
    let mut elsewhere = run();
    let written = json!({"prometheus": {"address": "http://prometheus.monitoring:9090", "query": "up"}});
    elsewhere["spec"]["metrics"][0]["provider"] = written;

    let (progress, _) = advanced(elsewhere, with_plugin).await;

    let status = progress.status;
    assert_eq!(status.phase, AnalysisPhase::Pending);
    let expected = "spec.metrics[0].provider.prometheus.address: \
                    \"http://prometheus.monitoring:9090\" may not be asked";
    assert!(status.message.starts_with(expected), "{}", status.message);
    assert!(status.message.contains("allowedAddresses"), "{}", status.message);
}

#[tokio::test]
async fn a_metric_on_trial_whose_plugin_is_not_there_ends_nothing() {
    let mut on_trial = run();
    on_trial["spec"]["dryRun"] = json!([{"metricName": "errors"}]);

    let (progress, _) = advanced(on_trial, async |context| engine(context)).await;

    assert_eq!(progress.status.phase, AnalysisPhase::Running);
    assert!(progress.status.metric_results[0].dry_run);
    let measurement = &progress.status.metric_results[0].measurements[0];
    assert_eq!(measurement.phase, AnalysisPhase::Error);
}

#[tokio::test]
async fn an_argument_that_is_not_there_ends_it_before_anything_is_measured() {
    let mut wrong = run();
    wrong["spec"]["metrics"][0]["provider"]["plugin"]["prometheus"]["query"] = json!("{{args.query}}");
    let exchanges = vec![
        expect(READ, Reply::With(200, wrong)),
        expect(WRITE, Reply::written("101")),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn a_gate_whose_plugin_is_not_there_holds_and_says_so() {
    let mut gated = run();
    gated["spec"] = json!({
        "gates": [{"name": "hours", "plugin": "schedule"}],
        "next": {"fromWeight": 0, "toWeight": 20, "isLast": false},
    });

    let (progress, _) = advanced(gated, async |context| engine(context)).await;

    assert_eq!(progress.status.phase, AnalysisPhase::Running);
    assert_eq!(
        progress.status.message,
        "Gate \"hours\": there is no plugin \"schedule\"; those in service are: none"
    );
    assert!(progress.wake_at.is_some());
}

#[tokio::test]
async fn a_plugin_that_is_being_loaded_is_waited_for() {
    let (progress, _) = advanced(run(), async |context| {
        let engine = engine(context);
        engine.plugins.expect("prometheus");
        engine
    })
    .await;

    assert_eq!(progress.status.phase, AnalysisPhase::Pending);
    assert_eq!(
        progress.status.message,
        "spec.metrics[0].provider.plugin.prometheus: the plugin \"prometheus\" is being loaded"
    );
    assert!(progress.wake_at.is_some_and(|time| time > Timestamp::now()));
}

#[tokio::test]
async fn a_plugin_that_is_being_loaded_holds_up_no_other_metric_of_an_analysis_that_has_begun() {
    let mut two = run();
    let mut other = two["spec"]["metrics"][0].clone();
    other["name"] = json!("other");
    other["provider"] = json!({"plugin": {"ratio": {}}});
    two["spec"]["metrics"].as_array_mut().unwrap().push(other);
    two["status"] = json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"});

    let (progress, _) = advanced(two, async |context| {
        let engine = with_plugin(context).await;
        engine.plugins.expect("ratio");
        engine
    })
    .await;

    let measured = |index: usize| progress.status.metric_results[index].measurements.len();
    assert_eq!([measured(0), measured(1)], [1, 0], "{:?}", progress.status);
}

#[tokio::test]
async fn one_that_is_ended_before_it_began_needs_no_plugin() {
    let mut ended = run();
    ended["spec"]["terminate"] = json!(true);

    let (progress, _) = advanced(ended, async |context| {
        let engine = engine(context);
        engine.plugins.expect("prometheus");
        engine
    })
    .await;

    assert_eq!(progress.status.phase, AnalysisPhase::Successful);
}

#[tokio::test]
async fn what_the_plugin_says_of_its_configuration_is_told() {
    let mut wrong = run();
    wrong["spec"]["metrics"][0]["provider"]["plugin"]["prometheus"] = json!({"qurey": "up"});

    let (progress, _) = advanced(wrong, with_plugin).await;

    let message = progress.status.message;
    assert!(
        message.starts_with("spec.metrics[0].provider.plugin.prometheus: plugin "),
        "{message}"
    );
    assert!(message.contains("qurey"), "{message}");
}

#[tokio::test]
async fn what_is_wrong_is_told_in_a_message_of_bounded_length() {
    let mut wrong = run();
    let metric = wrong["spec"]["metrics"][0].clone();
    let metrics = (0..100).map(|index| {
        let mut metric = metric.clone();
        metric["name"] = json!(format!("errors-{index}"));
        metric
    });
    wrong["spec"]["metrics"] = metrics.collect();

    let (progress, _) = advanced(wrong, async |context| engine(context)).await;

    let message = progress.status.message;
    assert!(
        message.len() <= text::MESSAGE_BYTES && message.ends_with('…'),
        "{message}"
    );
}

#[tokio::test]
async fn a_call_for_which_there_is_no_place_is_made_later_and_is_no_error() {
    let (progress, _) = advanced(begun_with_another_version(), async |context| {
        let engine = with_plugin(context).await;
        // Never given back.
        std::mem::forget(engine.calls.take("shop"));
        engine
    })
    .await;

    let result = &progress.status.metric_results[0];
    assert_eq!((result.error, result.measurements.len()), (0, 0));
    assert!(progress.wake_at.is_some_and(|time| time > Timestamp::now()));
}

#[tokio::test]
async fn a_metric_whose_provider_has_no_place_is_measured_later_and_is_no_worse() {
    let (progress, metrics) = advanced(run(), async |context| {
        let engine = with_plugin(context).await;
        let (configuration, providers) = crowded_for_ever();
        engine.plugins.configure(&configuration);
        // What waits for a place does so in no time.
        tokio::time::pause();
        AnalysisEngine { providers, ..engine }
    })
    .await;

    let result = progress.status.metric_results.first();
    assert!(
        result.is_none_or(|result| result.measurements.is_empty()),
        "{result:?}"
    );
    // Nobody takes it for one that judges already.
    assert_eq!(progress.status.phase, AnalysisPhase::Pending);
    assert_eq!(progress.status.message, NO_ROOM);
    assert!(progress.wake_at.is_some_and(|time| time > Timestamp::now()));
    let counted = r#"kulta_plugin_calls_total{plugin="prometheus",result="busy"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn an_analysis_whose_namespace_has_no_place_left_is_looked_at_soon_without_being_read() {
    let ended = scenario(Vec::new(), async |context| {
        let engine = engine(context);
        let places: Vec<_> = (0..8).map(|_| engine.runs.take("shop")).collect();
        let again = engine.reconcile(&key("web-abc-2")).await;
        drop(places);
        again
    })
    .await;

    assert!(ended.outcome.is_some_and(|time| time > Instant::now()));
}

/// As the API server has it once the plugin's configuration can't be checked at the moment: fuel is not among what
/// only people can change.
#[tokio::test]
async fn a_passing_fault_in_check_config_is_no_invalid_analysis() {
    let (progress, _) = advanced(run(), async |context| {
        let engine = engine(context);
        let scarce = "{prometheus: {limits: {fuel: 1000}}}";
        let plugins = Plugins::new(&configuration(scarce));
        plugins.install("prometheus", plugin(1).await);
        AnalysisEngine {
            plugins: Arc::new(plugins),
            ..engine
        }
    })
    .await;

    assert_eq!(
        progress.status.phase,
        AnalysisPhase::Running,
        "{}",
        progress.status.message
    );
    let measurement = &progress.status.metric_results[0].measurements[0];
    assert_eq!(measurement.phase, AnalysisPhase::Error);
    assert!(measurement.message.contains("fuel"), "{}", measurement.message);
}

#[tokio::test]
async fn a_condition_that_can_not_be_read_is_told_before_anything_is_measured() {
    let mut wrong = run();
    wrong["spec"]["metrics"][0]["failureCondition"] = json!("reslut[0] > 0.05");

    let (progress, _) = advanced(wrong, with_plugin).await;

    assert_eq!(progress.status.phase, AnalysisPhase::Pending);
    assert_eq!(
        progress.status.message,
        "spec.metrics[0].failureCondition: the condition \"reslut[0] > 0.05\": unknown name \
         reslut at character 0"
    );
}

#[tokio::test]
async fn the_version_that_measures_is_written_down_and_its_calls_are_counted() {
    let (progress, metrics) = advanced(run(), with_plugin).await;

    let result = &progress.status.metric_results[0];
    assert_eq!(result.plugin_digest, Some(digest(1).to_string()));
    assert!(
        metrics.contains(r#"kulta_plugin_calls_total{plugin="prometheus""#),
        "{metrics}"
    );
}

/// An analysis under way, whose plugin was another version when it began.
fn begun_with_another_version() -> Value {
    let mut begun = run();
    begun["status"] = json!({
        "phase": "Running",
        "startedAt": "2026-01-01T00:00:00Z",
        "metricResults": [{
            "name": "errors", "phase": "Running", "pluginDigest": "sha256:01", "state": "AQI=",
        }],
    });
    begun
}

#[tokio::test]
async fn another_version_than_it_began_with_goes_on_from_its_state() {
    let (progress, _) = advanced(begun_with_another_version(), with_plugin).await;

    let result = &progress.status.metric_results[0];
    assert_eq!(result.plugin_digest, Some(digest(1).to_string()));
    assert_eq!(result.state.as_deref(), Some(&[1, 2][..]));
    assert_eq!(progress.status.phase, AnalysisPhase::Running);
}

#[tokio::test]
async fn another_version_than_it_began_with_is_told() {
    let exchanges = vec![
        expect(READ, Reply::With(200, begun_with_another_version())),
        expect(WRITE, Reply::written("101")),
    ];

    let ended = scenario(exchanges, async |context| {
        with_plugin(context).await.reconcile(&key("web-abc-2")).await
    })
    .await;

    let [(reason, note)] = &ended.events[..] else {
        panic!("{:?}", ended.events)
    };
    assert_eq!(reason, "PluginRevisionChanged");
    assert!(
        note.contains("sha256:01") && note.contains(&digest(1).to_string()),
        "{note}"
    );
}

#[test]
fn the_rollout_and_the_revision_are_read_from_the_object() {
    let live = serde_json::from_value(run()).unwrap();

    let run = Run::of(live, Group::Kulta).unwrap();

    assert_eq!(
        (run.owner.as_deref(), run.hash.as_deref()),
        (Some("web"), Some("abc"))
    );
}

#[test]
fn a_status_that_can_not_be_read_counts_as_lost() {
    let mut spoilt = run();
    spoilt["status"] = json!({"phase": "Dreaming"});

    let run = Run::of(serde_json::from_value(spoilt).unwrap(), Group::Kulta).unwrap();

    assert_eq!(run.status, RunStatus::default());
}

mod argo {
    use super::*;
    use crate::lease::Claim;

    const READ: &str = "GET /apis/argoproj.io/v1alpha1/namespaces/shop/analysisruns/web-abc-2";
    /// Not a subresource there.
    const WRITE: &str =
        "PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/analysisruns/web-abc-2?&fieldManager=kulta";

    #[tokio::test]
    async fn without_the_lease_nothing_is_read_or_written() {
        scenario(Vec::new(), async |context| {
            let engine = AnalysisEngine {
                permission: Permission::default().with_argo(Claim::default()),
                ..engine(context)
            };
            assert_eq!(engine.steps(&samples::argo_key("web-abc-2")).await.unwrap(), None);
        })
        .await;
    }

    #[tokio::test]
    async fn with_the_lease_the_status_is_written_as_a_field_over_the_version_that_was_read() {
        let mut run = samples::argo(samples::analysis_run("web", "web-abc-2"));
        run["spec"] = json!({"metrics": []});
        let exchanges = vec![
            expect(READ, Reply::With(200, run)),
            expect(WRITE, Reply::written("101")),
        ];
        scenario(exchanges, async |context| {
            let engine = AnalysisEngine {
                permission: Permission::default().with_argo(Claim::held()),
                ..engine(context)
            };
            engine.steps(&samples::argo_key("web-abc-2")).await.unwrap();
        })
        .await;
    }

    /// One that Argo Rollouts has begun and measured once.
    fn begun_there(provider: &Value) -> Value {
        let mut run = samples::argo(samples::analysis_run("web", "web-abc-2"));
        run["spec"] = json!({"metrics": [{"name": "errors", "interval": "10s", "provider": provider}]});
        let measured = json!([{"phase": "Successful", "startedAt": "2026-01-01T00:00:00Z", "value": "1"}]);
        let result = json!({"name": "errors", "phase": "Running", "count": 1, "successful": 1, "measurements": measured});
        run["status"] = json!({
            "phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "metricResults": [result],
        });
        run
    }

    #[tokio::test]
    async fn a_run_that_argo_rollouts_began_and_this_controller_can_not_measure_is_held() {
        let providers = [
            // No plugin is in service.
            json!({"web": {"url": "http://shop.web:8080/health"}}),
            // Refused by name.
            json!({"web": {"url": "https://shop.web/health", "insecure": true}}),
        ];
        for provider in providers {
            let exchanges = vec![
                expect(READ, Reply::With(200, begun_there(&provider))),
                expect(WRITE, Reply::written("101")),
            ];
            scenario(exchanges, async |context| {
                let engine = AnalysisEngine {
                    permission: Permission::default().with_argo(Claim::held()),
                    ..engine(context)
                };
                let again = engine.steps(&samples::argo_key("web-abc-2")).await.unwrap();
                assert!(again.is_some(), "it has come to its end: {provider}");
            })
            .await;
        }
    }

    #[test]
    fn a_run_that_this_controller_has_measured_is_its_own() {
        let of = |run: Value| Run::of(serde_json::from_value(run).unwrap(), Group::Argo).unwrap();
        let mut measured = begun_there(&json!({"web": {"url": "http://shop.web:8080/health"}}));
        assert!(of(measured.clone()).is_foreign(Group::Argo));

        measured["status"]["metricResults"][0]["pluginDigest"] = json!("sha256:01");

        assert!(!of(measured).is_foreign(Group::Argo));
    }
}
