//! The manifests of the app.

use super::*;

fn images() -> AppImages {
    AppImages {
        v1: "host/app:v1".to_owned(),
        v2: "host/app:v2".to_owned(),
        bad_v3: "host/app:v3".to_owned(),
    }
}

#[test]
fn the_rollout_reads_as_a_valid_spec() {
    let app = App::new("shop", Version::v1(&images())).steps([step::weight(10), step::pause_for(5)]);
    let spec: kulta_api::rollout::RolloutSpec =
        serde_json::from_value(app.rollout()["spec"].clone()).unwrap();
    assert_eq!(spec.replicas, Some(4));
    assert_eq!(spec.strategy.unwrap().canary.unwrap().steps.unwrap().len(), 2);
}

#[test]
fn a_version_says_who_it_is_in_its_template() {
    let version = Version::v3(&images()).with(LATENCY_VARIABLE, "40ms");
    let environment = version.template("shop")["spec"]["containers"][0]["env"].clone();
    assert_eq!(
        environment,
        json!([{ "name": "SAMPLE_VERSION_LABEL", "value": "v3" }, { "name": "SAMPLE_LATENCY", "value": "40ms" }])
    );
}

#[test]
fn without_routing_there_is_one_service_and_no_routing_field() {
    let app = App::new("shop", Version::v1(&images())).without_routing();
    assert_eq!(app.services().len(), 1);
    assert!(
        app.rollout()["spec"]["strategy"]["canary"]
            .get("trafficRouting")
            .is_none()
    );
}
