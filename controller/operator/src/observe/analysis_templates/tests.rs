//! What is read of templates, how often, and how much of it is kept.

use kulta_api::analysis::template::TemplateSpec;
use serde_json::{Value, json};

use super::*;
use crate::backoff::Retry;
use crate::scenario::{Exchange, Reply, expect, scenario};
use crate::watch::samples::{self, key};
use crate::watch::{Projection as _, TemplateSeen};

const READ: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/analysistemplates/errors";
const READ_OF_CLUSTER: &str = "GET /apis/kulta.io/v1alpha1/clusteranalysistemplates/errors";

fn seen(key: ObjectKey, resource_version: &str) -> BTreeMap<ObjectKey, String> {
    BTreeMap::from([(key, resource_version.to_owned())])
}

/// `errors` as the API server has it, at this version.
fn live(request: &str, resource_version: &str) -> Exchange {
    let mut template = samples::analysis_template("errors");
    template["metadata"]["resourceVersion"] = json!(resource_version);
    expect(request, Reply::With(200, template))
}

#[tokio::test]
async fn a_template_is_read_once_for_each_version() {
    let exchanges = vec![live(READ, "100"), live(READ, "101")];

    let ended = scenario(exchanges, async |context| {
        for version in ["100", "100", "101", "101"] {
            let templates = read(context, &seen(key("errors"), version)).await.unwrap();
            assert!(templates[&key("errors")].is_ok());
        }
    });

    ended.await;
}

#[tokio::test]
async fn a_template_of_the_cluster_is_read_from_where_it_is() {
    let cluster = ObjectKey::new("", "errors");

    let ended = scenario(vec![live(READ_OF_CLUSTER, "100")], async |context| {
        read(context, &seen(cluster.clone(), "100")).await
    });

    assert!(ended.await.outcome.unwrap()[&cluster].is_ok());
}

#[tokio::test]
async fn one_that_has_changed_or_gone_meanwhile_is_waited_for() {
    let gone = expect(READ, Reply::failure(404, "NotFound", "not found", &[]));
    for exchange in [live(READ, "101"), gone] {
        let ended = scenario(vec![exchange], async |context| {
            read(context, &seen(key("errors"), "100")).await
        });

        assert_eq!(ended.await.outcome.unwrap_err().retry(), Retry::Stale);
    }
}

#[test]
fn what_was_not_used_for_longest_is_forgotten_when_there_is_too_much() {
    let templates = AnalysisTemplates::default();
    let template = Arc::new(Ok(TemplateSpec::default()));
    let keep = |name: &str| templates.keep(key(name), "1".to_owned(), &template, KEPT_BYTES / 3);
    let is_kept = |name: &str| templates.get(&key(name), "1").is_some();

    keep("first");
    keep("second");
    assert!(is_kept("first"));
    keep("third");

    assert_eq!(["first", "second", "third"].map(is_kept), [true, false, true]);
    assert!(templates.kept.lock().bytes <= KEPT_BYTES);
}

#[test]
fn of_one_that_can_not_be_read_no_more_is_counted_than_is_kept() {
    let templates = AnalysisTemplates::default();
    let unreadable = Arc::new(Err(Vec::new()));

    templates.keep(key("errors"), "1".to_owned(), &unreadable, KEPT_BYTES);

    assert!(templates.get(&key("errors"), "1").is_some());
}

/// A template as people write them: four metrics, of two kilobytes together.
fn usual(number: u32) -> Value {
    let mut template = samples::analysis_template(&format!("errors-{number}"));
    let metric = |index: u32| {
        json!({
            "name": format!("metric-{index}"), "interval": "1m", "count": 5, "failureLimit": 2,
            "successCondition": "len(result) > 0 && result[0] < 0.05",
            "provider": {"prometheus": {"address": "http://prometheus.monitoring:9090", "query": format!(
                "sum(rate(http_requests_total{{app=\"{{{{args.app}}}}\",status=~\"5..\",shard=\"{number}\"}}[2m])) / \
                 sum(rate(http_requests_total{{app=\"{{{{args.app}}}}\",shard=\"{number}\"}}[2m]))"
            )}},
        })
    };
    template["spec"] = json!({
        "args": [{"name": "app"}],
        "metrics": (0..4).map(metric).collect::<Vec<_>>(),
    });
    template
}

/// Bytes of memory that this process holds.
fn held() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().next().unwrap().parse().unwrap();
    kilobytes << 10
}

/// Tells what a template takes: as the watches keep it, and whole.
#[test]
#[ignore = "measures, for the README; run it alone"]
fn what_a_template_takes() {
    const COUNT: u32 = 20_000;
    let each = |before: usize| held().saturating_sub(before) / COUNT as usize;
    let text = usual(0)["spec"].to_string().len();

    let before = held();
    let kept: Vec<_> = (0..COUNT)
        .map(|number| AnalysisTemplate::project(&usual(number)).unwrap())
        .map(|AnalysisTemplate(seen)| AnalysisTemplate(seen.without_measures().unwrap_or(seen)))
        .collect();
    let seen = each(before);
    let before = held();
    let whole: Vec<_> = (0..COUNT)
        .map(|number| parse(&usual(number)["spec"]).unwrap())
        .collect();
    let of_whole = each(before);

    println!("{text} bytes of JSON: {seen} bytes seen, {of_whole} bytes whole");
    let AnalysisTemplate(TemplateSeen { names, .. }) = &kept[0];
    assert!(names.is_empty() && whole.len() == COUNT as usize);
}
