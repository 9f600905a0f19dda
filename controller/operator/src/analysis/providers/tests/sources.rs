//! Which Prometheus is asked when a metric names it itself.

use super::*;
use crate::access::Allowed;

fn source(address: &Address) -> Source {
    Source {
        address: Some(address.to_string()),
        timeout: None,
    }
}

fn at(text: &str) -> Source {
    Source {
        address: Some(text.to_owned()),
        timeout: None,
    }
}

fn granted(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn allowing(allowed: Vec<Allowed>, known: &[(&str, Provider)]) -> Arc<Providers> {
    let known = known
        .iter()
        .map(|(name, provider)| ((*name).to_owned(), provider.clone()));
    Arc::new(Providers::new(&Configuration {
        providers: known.collect(),
        allowed_addresses: allowed,
        ..Configuration::default()
    }))
}

fn refusal(providers: &Arc<Providers>, namespace: &str, source: &Source) -> Option<String> {
    let names = granted(&["prometheus", "main"]);
    providers.for_namespace(namespace).only(source, &names).refusal()
}

#[track_caller]
fn assert_refused(providers: &Arc<Providers>, namespace: &str, source: &Source, words: &str) {
    let message = refusal(providers, namespace, source).expect("refused");
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn the_address_of_a_provider_is_asked_as_that_provider() {
    let (address, asked) = server(ok(UP)).await;
    let tenant = crate::access::Header {
        value: Some(crate::access::Hidden("blue".to_owned())),
        file: None,
    };
    let provider = Provider {
        headers: BTreeMap::from([("X-Scope-OrgID".to_owned(), tenant)]),
        ..for_shop(address.clone())
    };
    let providers = allowing(Vec::new(), &[("main", provider)]);
    let analysis = providers
        .for_namespace("shop")
        .only(&source(&address), &granted(&["main"]));

    analysis.query(&query("up")).await.unwrap();

    assert_eq!(asked.lock()[0].headers["X-Scope-OrgID"], "blue");
    assert_refused(
        &providers,
        "bank",
        &source(&address),
        "not for analyses of the namespace \"bank\"",
    );
}

#[tokio::test]
async fn of_two_providers_at_one_address_the_one_for_the_namespace_is_asked() {
    let address = Address::parse("http://prometheus.monitoring:9090").unwrap();
    let bank = Provider {
        namespaces: vec!["bank".to_owned()],
        ..Provider::plain(address.clone())
    };
    let providers = allowing(
        Vec::new(),
        &[("main", for_shop(address.clone())), ("prometheus", bank)],
    );

    for namespace in ["shop", "bank"] {
        assert_eq!(refusal(&providers, namespace, &source(&address)), None);
    }
}

#[tokio::test]
async fn a_provider_that_the_plugin_was_not_granted_is_not_asked() {
    let address = Address::parse("http://prometheus.monitoring:9090").unwrap();
    let providers = allowing(Vec::new(), &[("main", for_shop(address.clone()))]);

    let message = providers
        .for_namespace("shop")
        .only(&source(&address), &granted(&["other"]))
        .refusal();

    assert!(message.is_some_and(|message| message.contains("plugins.prometheus.providers")));
}

#[tokio::test]
async fn without_an_address_the_provider_prometheus_is_asked() {
    let (address, asked) = server(ok(UP)).await;
    let providers = allowing(Vec::new(), &[("prometheus", for_shop(address.clone()))]);
    let none = Source::default();
    let analysis = providers
        .for_namespace("shop")
        .only(&none, &granted(&["prometheus"]));

    analysis.query(&query("up")).await.unwrap();

    assert_eq!(asked.lock().len(), 1);
    let other = allowing(Vec::new(), &[("main", for_shop(address))]);
    assert_refused(
        &other,
        "shop",
        &none,
        "has set up no provider \"prometheus\": write the address",
    );
}

#[tokio::test]
async fn an_allowed_address_is_asked_from_every_namespace() {
    let (address, asked) = server(ok(UP)).await;
    let providers = allowing(vec![Allowed::Exactly(address.clone())], &[]);

    let analysis = providers
        .for_namespace("bank")
        .only(&source(&address), &granted(&[]));
    analysis.query(&query("up")).await.unwrap();

    assert_eq!(asked.lock()[0].path, "/prometheus/api/v1/query");
}

#[tokio::test]
async fn services_of_the_cluster_are_allowed_together_and_nothing_else_is() {
    let providers = allowing(vec![Allowed::Cluster], &[]);

    for address in [
        "http://prometheus.monitoring:9090",
        "http://a.b.svc/x",
        "https://a.b.svc.cluster.local",
    ] {
        assert_eq!(refusal(&providers, "shop", &at(address)), None, "{address}");
    }
    for address in [
        "http://10.0.0.1",
        "http://www.example.com",
        "http://localhost",
        "http://169.254.169.254",
    ] {
        assert_refused(&providers, "shop", &at(address), "allowedAddresses");
    }
    assert_refused(
        &providers,
        "shop",
        &at("prometheus"),
        "\"prometheus\" is no address of a Prometheus",
    );
}

#[tokio::test]
async fn the_rules_of_a_provider_are_not_evaded_by_another_way_to_write_its_address() {
    let address = Address::parse("http://prometheus.monitoring:9090").unwrap();
    let providers = allowing(vec![Allowed::Cluster], &[("main", for_shop(address))]);

    for same in [
        "http://prometheus.monitoring.svc:9090/",
        "http://PROMETHEUS.monitoring.svc.cluster.local:9090",
    ] {
        assert_refused(&providers, "bank", &at(same), "not for analyses of the namespace");
    }
    for beside in [
        "http://prometheus.monitoring",
        "http://prometheus.monitoring:9090/tenant",
    ] {
        assert_refused(&providers, "bank", &at(beside), "may not be asked");
    }
}

#[tokio::test]
async fn the_rules_of_a_provider_are_not_evaded_by_another_name_of_its_pods() {
    let address = Address::parse("http://prometheus.monitoring:9090").unwrap();
    let listed = Address::parse("http://pushgateway.monitoring:9091").unwrap();
    let allowed = vec![Allowed::Cluster, Allowed::Exactly(listed.clone())];
    let providers = allowing(allowed, &[("main", for_shop(address))]);

    for beside in [
        "http://prometheus-operated.monitoring:9090",
        "http://prometheus-0.prometheus-operated.monitoring.svc:9090",
        "http://prometheus-0.prometheus.monitoring.svc.cluster.local:9090",
    ] {
        let words = "may not be asked, as `cluster` is not for the namespace \"monitoring\" of the provider \"main\":";
        assert_refused(&providers, "bank", &at(beside), words);
    }
    assert_eq!(refusal(&providers, "bank", &source(&listed)), None);
    assert_eq!(
        refusal(&providers, "bank", &at("http://prometheus.bank:9090")),
        None
    );
}

#[tokio::test]
async fn a_metric_can_ask_for_an_earlier_end_and_no_later_one() {
    let (address, _) = server(Answered::Never).await;
    let patient = Source {
        timeout: Some(Duration::from_millis(50)),
        ..source(&address)
    };
    let providers = allowing(vec![Allowed::Exactly(address)], &[]);
    let long = Query {
        time: Duration::from_mins(1),
        ..query("up")
    };

    let analysis = providers.for_namespace("shop").only(&patient, &granted(&[]));
    let answer = tokio::time::timeout(Duration::from_secs(2), analysis.query(&long)).await;

    assert_eq!(answer, Ok(Err(QueryError::Timeout)));
}

#[tokio::test]
async fn what_is_refused_later_is_told_with_its_field() {
    let providers = allowing(Vec::new(), &[]);
    let analysis = providers
        .for_namespace("shop")
        .only(&at("http://a.b"), &granted(&[]));

    let answer = analysis.query(&query("up")).await;

    assert!(
        matches!(answer, Err(QueryError::Denied(message)) if message.starts_with("provider.prometheus.address: "))
    );
}
