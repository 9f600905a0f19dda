//! What plugins say of Rollouts, with the bundled `prometheus` in service.

use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::runtime::scheduler::ScheduleRequest;
use kulta_api::analysis::planned;
use serde_json::json;

use super::*;
use crate::analysis::configuration::Configuration;
use crate::analysis::plugins::tests::{configuration, digest, host, plugin};
use crate::queue::queue;
use crate::watch::samples;

const GENERATION: Option<i64> = Some(2);
const METRIC: &str = "spec.strategy.canary.analysis.metrics[0]";

struct Fixture {
    instruments: Instruments,
    checks: Arc<PluginChecks>,
    metrics: Arc<Metrics>,
    asked: std::pin::Pin<Box<dyn Stream<Item = ScheduleRequest<ObjectKey>> + Send>>,
}

fn fixture(configuration: &Configuration) -> Fixture {
    let instruments = Instruments {
        calls: Arc::new(Shares::new(2, 1)),
        ..Instruments::new(host(), configuration)
    };
    let metrics = Arc::new(Metrics::new("test"));
    let (requests, asked) = queue();
    let checks = PluginChecks::new(&instruments, Arc::clone(&metrics), requests);
    Fixture {
        instruments,
        checks: Arc::new(checks),
        metrics,
        asked: Box::pin(asked),
    }
}

/// With a version of the plugin in service.
async fn in_service(version: u8) -> Fixture {
    let fixture = fixture(&Configuration::default());
    fixture.install(version).await;
    fixture
}

impl Fixture {
    async fn install(&self, version: u8) {
        self.instruments
            .plugins
            .install("prometheus", plugin(version).await);
    }

    async fn check(&self, planned: &[Planned]) -> Checked {
        self.checks.check(&web(), planned, GENERATION).await
    }

    /// What is told in the end, as it is in the Rollout's message.
    async fn told(&mut self, planned: &[Planned]) -> Vec<String> {
        let mut checked = self.check(planned).await;
        while checked.is_awaited {
            self.next_look().await;
            checked = self.check(planned).await;
        }
        checked.problems.iter().map(ToString::to_string).collect()
    }

    /// Waits until another look at a Rollout is asked for; answers which.
    async fn next_look(&mut self) -> String {
        self.asked.next().await.unwrap().message.name
    }

    fn is_nothing_asked_for(&mut self) -> bool {
        self.asked.next().now_or_never().is_none()
    }

    /// How many calls of the plugin have ended so.
    fn calls(&self, result: &str) -> Option<u32> {
        let text = self.metrics.render().unwrap();
        let begin = format!("kulta_plugin_calls_total{{plugin=\"ratio\",result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&begin));
        line.map(|number| number.parse().unwrap())
    }
}

fn web() -> ObjectKey {
    samples::key("web")
}

/// What a Rollout with this in its canary is going to have measured.
fn plans(canary: &Value) -> Vec<Planned> {
    let mut rollout = samples::rollout("web");
    let fields = canary.as_object().unwrap().clone();
    rollout["spec"]["strategy"]["canary"]
        .as_object_mut()
        .unwrap()
        .extend(fields);
    planned(&kulta_api::rollout::parse(kulta_api::Group::Kulta, "shop", &rollout["spec"]).unwrap())
}

fn analysis(metric: &Value, args: &Value) -> Vec<Planned> {
    plans(&json!({"analysis": {"metrics": [metric], "args": args}}))
}

fn measured_by(configuration: &Value) -> Value {
    json!({"name": "errors", "interval": "1m", "provider": {"plugin": {"prometheus": configuration}}})
}

fn configured(configuration: &Value) -> Vec<Planned> {
    analysis(&measured_by(configuration), &json!([]))
}

fn error_rate(limit: f64) -> Value {
    json!({"errorRate": {"bad": "a", "total": "b", "limit": limit}})
}

/// As messages name a version of the plugin.
fn named(version: u8) -> String {
    let plugin = kulta_plugin_host::Identity {
        name: "ratio".into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        digest: digest(version),
    };
    plugin.to_string()
}

#[tokio::test]
async fn a_refused_configuration_is_told_with_its_field_and_the_plugin() {
    let mut fixture = in_service(1).await;

    let told = fixture.told(&configured(&error_rate(2.0))).await;

    let [told] = &told[..] else { panic!("{told:?}") };
    let begin = format!(
        "{METRIC}.provider.plugin.prometheus.errorRate.limit: plugin {}: ",
        named(1)
    );
    assert!(told.starts_with(&begin), "{told}");
}

#[tokio::test]
async fn a_configuration_that_is_taken_is_asked_about_once() {
    let mut fixture = in_service(1).await;
    let planned = configured(&error_rate(0.1));

    assert_eq!(fixture.told(&planned).await, [""; 0]);
    assert_eq!(fixture.told(&planned).await, [""; 0]);

    assert_eq!(fixture.calls("ok"), Some(1));
}

#[tokio::test]
async fn a_refusal_is_remembered_too() {
    let mut fixture = in_service(1).await;
    let planned = configured(&error_rate(2.0));

    let told = [fixture.told(&planned).await, fixture.told(&planned).await];

    assert_eq!(told[0], told[1]);
    assert_eq!(fixture.calls("invalid-config"), Some(1));
}

#[tokio::test]
async fn a_query_that_the_plugin_refuses_is_told_where_it_is_written() {
    let mut fixture = in_service(1).await;
    let provider = json!({"prometheus": {"query": "$()"}});
    let metric = json!({"name": "errors", "interval": "1m", "provider": provider});

    let told = fixture.told(&analysis(&metric, &json!([]))).await;

    let [told] = &told[..] else { panic!("{told:?}") };
    assert!(
        told.starts_with(&format!("{METRIC}.provider.prometheus.query: plugin ")),
        "{told}"
    );
}

#[tokio::test]
async fn an_address_that_may_not_be_asked_is_refused() {
    let mut fixture = in_service(1).await;
    let provider = json!({"prometheus": {"address": "http://prometheus.monitoring:9090", "query": "up"}});
    let metric = json!({"name": "errors", "interval": "1m", "provider": provider});

    let told = fixture.told(&analysis(&metric, &json!([]))).await;

    let begin = format!(
        "{METRIC}.provider.prometheus.address: \"http://prometheus.monitoring:9090\" may not be asked"
    );
    assert!(told.len() == 1 && told[0].starts_with(&begin), "{told:?}");
}

#[tokio::test]
async fn a_plugin_that_is_used_for_what_it_is_not_made_for_is_refused() {
    let mut fixture = in_service(1).await;
    let gate = json!({"name": "errors", "plugin": "prometheus", "config": {"query": "up"}});

    let told = fixture.told(&plans(&json!({"promotionGates": [gate]}))).await;

    let expected = "spec.strategy.canary.promotionGates[0].plugin: plugin ratio";
    assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
    assert!(told[0].contains("does not export promotion-gate"), "{told:?}");
}

#[tokio::test]
async fn a_condition_that_can_not_be_read_is_refused() {
    let mut fixture = in_service(1).await;
    let mut metric = measured_by(&json!({"query": "up"}));
    metric["failureCondition"] = json!("result[0] <");

    let told = fixture.told(&analysis(&metric, &json!([]))).await;

    let begin = format!("{METRIC}.failureCondition: the condition \"result[0] <\": ");
    assert!(told.len() == 1 && told[0].starts_with(&begin), "{told:?}");
}

#[tokio::test]
async fn what_only_stands_for_a_value_is_never_refused() {
    let mut fixture = in_service(1).await;
    let args = json!([{"name": "limit", "valueFrom": {"podTemplateHashValue": "Latest"}}]);
    let with = |field: &str, value: Value| {
        let mut configuration = error_rate(0.1);
        configuration["errorRate"][field] = value;
        let mut metric = measured_by(&configuration);
        metric["successCondition"] = json!("{{args.limit}} <");
        analysis(&metric, &args)
    };

    let stood_for = fixture.told(&with("limit", json!("{{args.limit}}"))).await;
    let mut misspelt = with("bad", json!("x{hash='{{args.limit}}'}"));
    let beside = fixture.told(&misspelt).await;
    misspelt = with("limti", json!(0.1));
    let told = fixture.told(&misspelt).await;

    assert_eq!((stood_for, beside), (Vec::new(), Vec::new()));
    assert!(
        told.len() == 1 && told[0].contains("prometheus.errorRate.limti: "),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_a_rollout_has_too_much_of_is_left_to_its_analyses() {
    let mut fixture = in_service(1).await;
    let mut plans: Vec<_> = configured(&error_rate(0.1))
        .into_iter()
        .cycle()
        .take(MOST_ASKED)
        .collect();
    plans.extend(configured(&error_rate(2.0)));

    assert_eq!(fixture.told(&plans).await, [""; 0]);
}

#[tokio::test]
async fn a_metric_on_trial_is_not_asked_about() {
    let mut fixture = in_service(1).await;
    let metric = measured_by(&error_rate(2.0));
    let on_trial = json!({"metrics": [metric], "dryRun": [{"metricName": "errors"}]});

    assert_eq!(
        fixture.told(&plans(&json!({"analysis": on_trial}))).await,
        [""; 0]
    );
}

#[tokio::test]
async fn a_plugin_that_is_not_in_service_is_no_refusal_and_its_coming_is_told() {
    let mut fixture = fixture(&Configuration::default());
    let running = tokio::spawn(Arc::clone(&fixture.checks).run());
    let planned = configured(&error_rate(2.0));
    assert_eq!(fixture.told(&planned).await, [""; 0]);
    tokio::task::yield_now().await;

    fixture.install(1).await;

    assert_eq!(fixture.next_look().await, "web");
    assert_eq!(fixture.told(&planned).await.len(), 1);
    running.abort();
}

#[tokio::test]
async fn another_version_is_asked_again_and_its_coming_is_told() {
    let mut fixture = in_service(1).await;
    let running = tokio::spawn(Arc::clone(&fixture.checks).run());
    let planned = configured(&error_rate(2.0));
    fixture.told(&planned).await;
    tokio::task::yield_now().await;

    fixture.install(2).await;

    assert_eq!(fixture.next_look().await, "web");
    let told = fixture.told(&planned).await;
    assert!(told.len() == 1 && told[0].contains(&named(2)), "{told:?}");
    running.abort();
}

#[tokio::test]
async fn only_the_rollouts_that_name_a_plugin_are_concerned_by_it() {
    let mut fixture = in_service(1).await;
    fixture.told(&configured(&error_rate(0.1))).await;
    let before = fixture.instruments.plugins.in_service();

    fixture.instruments.plugins.install("ratio", plugin(2).await);
    let other = fixture.instruments.plugins.in_service();
    fixture.instruments.plugins.configure(&configuration("{}"));
    let configured = fixture.instruments.plugins.in_service();

    assert_eq!(fixture.checks.concerned(&before, &other), []);
    assert_eq!(fixture.checks.concerned(&other, &configured), [web()]);
    fixture.checks.forget(&web());
    assert_eq!(fixture.checks.concerned(&other, &configured), []);
}

#[tokio::test]
async fn what_is_dealt_with_is_not_waited_for_and_looked_at_after_the_answers() {
    let mut fixture = in_service(1).await;
    let planned = configured(&error_rate(2.0));

    let first = fixture.checks.check(&web(), &planned, None).await;

    assert_eq!(first, Checked::default());
    assert_eq!(fixture.next_look().await, "web");
    let then = fixture.checks.check(&web(), &planned, None).await;
    assert_eq!(then.problems.len(), 1);
    assert!(fixture.is_nothing_asked_for());
}

#[tokio::test(start_paused = true)]
async fn what_is_new_waits_while_there_is_no_place_and_then_begins() {
    let mut fixture = in_service(1).await;
    let planned = configured(&error_rate(2.0));
    let place = fixture.instruments.calls.take("shop");

    let waits = fixture.check(&planned).await;
    let looked = fixture.next_look().await;
    let then = fixture.check(&planned).await;

    assert!(waits.is_awaited && waits.problems.is_empty(), "{waits:?}");
    assert_eq!(looked, "web");
    assert_eq!(then, Checked::default());

    drop(place);
    tokio::time::advance(ASK_AGAIN).await;
    assert_eq!(fixture.told(&planned).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_for_for_ever() {
    let mut fixture = in_service(1).await;
    let planned = configured(&error_rate(2.0));
    let taken: Vec<_> = (0..ROUNDS_OF_NAMESPACE)
        .map(|_| fixture.checks.rounds.take("shop"))
        .collect();

    let waits = fixture.check(&planned).await.is_awaited;
    let looked = fixture.next_look().await;
    tokio::time::advance(HOLD_AT_MOST).await;
    let then = fixture.check(&planned).await.is_awaited;
    let of_another = fixture.checks.check(&web(), &planned, Some(3)).await.is_awaited;

    assert_eq!((waits, then, of_another), (true, false, true));
    assert_eq!(looked, "web");
    drop(taken);
}

#[tokio::test]
async fn so_many_refusals_are_told_and_no_more() {
    let fixture = in_service(1).await;
    let metrics: Vec<_> = (0..30)
        .map(|number| {
            let mut metric = measured_by(&error_rate(2.0 + f64::from(number)));
            metric["name"] = json!(format!("errors-{number}"));
            metric
        })
        .collect();

    let checked = fixture
        .check(&plans(&json!({"analysis": {"metrics": metrics}})))
        .await;

    assert_eq!(checked.problems.len(), MOST_TOLD);
}
