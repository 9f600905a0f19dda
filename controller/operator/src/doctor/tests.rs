//! How findings are told.

use super::*;

#[test]
fn finding_is_told_with_what_to_do() {
    let finding = Finding::wrong(Area::Rights, "something is missing", "put it there");

    let told = finding.to_string();

    assert_eq!(
        told,
        "WRONG  rights         something is missing\n                      -> put it there"
    );
}

#[test]
fn some_of_many_names_are_told_and_the_others_counted() {
    let names: Vec<_> = (1..=7).map(|number| format!("n{number}")).collect();

    assert_eq!(some_of(&names), "n1, n2, n3, n4, n5 and 2 more");
}

#[test]
fn configuration_that_cannot_be_used_is_a_finding() {
    let arguments = DoctorArguments {
        controller_namespace: None,
        namespace: None,
        config: Some("/nowhere/config.yaml".into()),
        plugin_dir: None,
        instance_id: None,
        argo_api: false,
        history_api: false,
        argo_lease_namespace: None,
    };

    let finding = configuration(&arguments).unwrap_err();

    assert_eq!(finding.state, State::Wrong);
    assert!(finding.text.contains("/nowhere/config.yaml"), "{}", finding.text);
}
