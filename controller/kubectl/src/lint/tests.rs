use super::*;
use crate::output::Output;

const ROLLOUT: &str = "
apiVersion: kulta.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web:1}]}
  strategy:
    canary:
      steps: [{setWeight: 20}, {pause: {}}]
";

const TEMPLATE: &str = "
apiVersion: kulta.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  args: [{name: app}, {name: interval}]
  metrics:
    - name: error-rate
      interval: '{{args.interval}}'
      count: 3
      successCondition: result[0] < 0.1
      provider: {prometheus: {query: 'errors{app=\"{{args.app}}\"}'}}
";

fn source(file: &str, text: impl Into<String>) -> Source {
    Source {
        file: file.to_owned(),
        text: text.into(),
    }
}

fn of(text: impl Into<String>) -> Report {
    lint(&[source("a.yaml", text)])
}

/// The Rollout with an analysis beside its steps.
fn analysed(args: &str) -> String {
    format!("{ROLLOUT}      analysis: {{templates: [{{templateName: errors}}], args: [{args}]}}\n")
}

fn problems(report: &Report) -> Vec<String> {
    let objects = report.objects.iter();
    objects
        .flat_map(|object| object.problems.iter().map(ToString::to_string))
        .collect()
}

#[test]
fn the_template_of_a_workload_is_not_judged_and_that_is_said() {
    let text = ROLLOUT.replace(
        "  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: web:1}]}\n",
        "  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n",
    );

    let report = of(text);

    assert!(report.is_good(), "{report:?}");
    let notes = &report.objects[0].notes;
    assert_eq!(
        *notes,
        ["the pod template of Deployment \"web\" was not looked at"]
    );
}

#[test]
fn a_good_rollout_works_and_is_told_in_a_few_words() {
    let report = of(ROLLOUT);

    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.objects[0].title(), "Rollout shop/web");
    assert_eq!(
        report.objects[0].summary,
        "canary, 2 steps, traffic by numbers of pods"
    );
}

#[test]
fn a_misspelt_field_is_told_with_its_path() {
    let report = of(ROLLOUT.replace("setWeight", "setWieght"));

    assert!(!report.is_good());
    let told = problems(&report);
    assert!(
        told[0].starts_with("spec.strategy.canary.steps[0].setWieght: unknown field"),
        "{told:?}"
    );
}

#[test]
fn a_rollout_of_argo_works_where_its_group_is_served() {
    let report = of(ROLLOUT.replace("kulta.io", "argoproj.io"));

    assert!(report.is_good());
    assert_eq!(
        report.objects[0].notes,
        ["served as it is by a controller with --argo-api"]
    );
}

/// The Rollout of Argo Rollouts with its plugin told so.
fn plugged(configuration: &str) -> String {
    let rollout = ROLLOUT.replace("kulta.io", "argoproj.io");
    let steps = "steps: [{setHeaderRoute: {name: testers, match: [{headerName: x-a, headerValue: {exact: b}}]}}]\n      \
                 stableService: stable\n      canaryService: canary\n      trafficRouting: {managedRoutes: [{name: testers}], \
                 plugins: {argoproj-labs/gatewayAPI: ";
    let rollout = rollout.replace("steps: [{setWeight: 20}, {pause: {}}]", steps);
    format!("{}{configuration}}}}}\n", rollout.trim_end_matches('\n'))
}

#[test]
fn routes_of_each_kind_and_selectors_of_them_are_counted() {
    let report = of(plugged(
        "{httpRoute: a, httpRoutes: [{name: b}], grpcRoute: c, grpcRouteSelector: {matchLabels: {app: web}}}",
    ));

    assert!(report.is_good(), "{report:?}");
    assert_eq!(
        report.objects[0].summary,
        "canary, 1 step, traffic by 2 HTTPRoutes and 1 GRPCRoute and GRPCRoutes by labels"
    );
}

#[test]
fn a_header_route_that_no_route_would_follow_is_noted_for_argo_rollouts() {
    let notes = |configuration: &str| of(plugged(configuration)).objects[0].notes.clone();

    assert!(notes("{httpRoutes: [{name: a}]}")[0].contains("useHeaderRoutes: true"));
    assert_eq!(notes("{httpRoute: a}").len(), 1);
}

#[test]
fn blue_green_works_and_is_summed_up() {
    let report = of(with_blue_green("activeService: web"));

    assert!(report.is_good());
    assert_eq!(
        report.objects[0].summary,
        "blue-green, all traffic at once by Service web"
    );
}

#[test]
fn blue_green_by_route_works_and_is_summed_up() {
    let routing = "trafficRouting: {gatewayAPI: {httpRoutes: [{name: a}]}}";
    let fields = format!("activeService: web, previewService: web-preview, {routing}");

    let report = of(with_blue_green(&fields));

    assert!(report.is_good());
    assert_eq!(
        report.objects[0].summary,
        "blue-green, all traffic at once by 1 HTTPRoute"
    );
}

#[test]
fn what_blue_green_can_not_have_is_refused_with_its_path() {
    let told = problems(&of(with_blue_green("activeService: web, antiAffinity: {}")));

    assert!(
        told[0].starts_with("spec.strategy.blueGreen.antiAffinity"),
        "{told:?}"
    );
}

fn with_blue_green(fields: &str) -> String {
    ROLLOUT.replace(
        "canary:\n      steps: [{setWeight: 20}, {pause: {}}]",
        &format!("blueGreen: {{{fields}}}"),
    )
}

#[test]
fn objects_of_others_are_passed_over() {
    let others = "
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web}
";
    assert_eq!(of(others).objects, []);
}

#[test]
fn an_experiment_is_checked() {
    let told = problems(&of(
        "apiVersion: argoproj.io/v1alpha1\nkind: Experiment\nmetadata: {name: a}\nspec: {}\n",
    ));
    assert_eq!(
        told,
        ["spec.templates: an experiment has at least one template; write one"]
    );
}

#[test]
fn another_version_and_a_missing_name_are_refused() {
    let text = ROLLOUT
        .replace("v1alpha1", "v1")
        .replace("name: web, namespace", "namespace");
    let told = problems(&of(text));
    assert_eq!(
        told,
        [
            "apiVersion: there is no kulta.io/v1; write kulta.io/v1alpha1",
            "metadata.name: must not be empty; write a name",
        ]
    );
}

#[test]
fn every_document_of_a_file_and_of_a_list_is_looked_at() {
    let indented = ROLLOUT.trim().replace('\n', "\n    ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n  - {indented}\n");
    let report = of(format!("{ROLLOUT}---\n{list}"));

    let documents: Vec<_> = report.objects.iter().map(|object| object.document).collect();
    assert_eq!(documents, [1, 2]);
}

#[test]
fn a_template_by_itself_is_looked_at_with_open_arguments() {
    let report = of(TEMPLATE);

    assert!(report.is_good(), "{:?}", problems(&report));
    assert_eq!(report.objects[0].summary, "1 metric");
}

#[test]
fn what_is_wrong_in_a_template_is_told_with_its_own_path() {
    let told = problems(&of(TEMPLATE.replace("{{args.app}}", "{{args.shop}}")));
    assert!(
        told[0].starts_with("spec.metrics[0].provider.prometheus.query: failed to resolve {{args.shop}}"),
        "{told:?}"
    );
}

#[test]
fn a_rollout_is_looked_at_with_the_templates_of_other_files() {
    let good = analysed("{name: app, value: web}, {name: interval, value: 1m}");
    let bad = analysed("{name: app, value: web}, {name: interval, value: soon}");

    assert!(lint(&[source("a.yaml", good), source("b.yaml", TEMPLATE)]).is_good());
    let report = lint(&[source("a.yaml", bad), source("b.yaml", TEMPLATE)]);

    let told = problems(&report);
    assert!(
        told[0].contains("AnalysisTemplate \"errors\": spec.metrics[0].interval"),
        "{told:?}"
    );
}

#[test]
fn an_argument_without_a_value_is_refused() {
    let report = lint(&[source("a.yaml", analysed("")), source("b.yaml", TEMPLATE)]);
    assert_eq!(report.refused(), 1, "{report:?}");
}

#[test]
fn a_template_that_is_not_among_the_files_is_no_fault() {
    let report = of(analysed(""));

    assert!(report.is_good(), "{:?}", problems(&report));
    assert_eq!(
        report.objects[0].notes,
        ["spec.strategy.canary.analysis was not checked: AnalysisTemplate \"errors\" not among the files"]
    );
}

#[test]
fn a_file_that_is_no_yaml_is_told_where_it_speaks_of_rollouts() {
    let helm = format!("{{{{- if .Values.canary }}}}\n{ROLLOUT}{{{{- end }}}}\n");
    let report = lint(&[
        source("helm.yaml", helm),
        source("other.yaml", "{{ not ours }} :"),
    ]);

    assert!(!report.is_good());
    assert_eq!(report.unreadable.len(), 1);
    assert!(
        report.unreadable[0].reason.contains("helm template"),
        "{report:?}"
    );
}

#[test]
fn an_analysis_run_is_looked_at() {
    let run = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {generateName: errors-}
spec: {metrics: []}
";
    let told = problems(&of(run));
    assert_eq!(told, ["spec.metrics: no metrics specified; write at least one"]);
}

#[test]
fn objects_of_odd_shapes_are_refused_and_nothing_breaks() {
    for odd in [
        "apiVersion: kulta.io/v1alpha1\nkind: Rollout\n",
        "apiVersion: kulta.io/v1alpha1\nkind: Rollout\nmetadata: []\nspec: 7\n",
        "apiVersion: kulta.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: a}\nspec: []\n",
        "apiVersion: kulta.io/v1alpha1\nkind: ClusterAnalysisTemplate\nmetadata: {name: a}\n",
        "apiVersion: kulta.io/v1alpha1\nkind: [Rollout]\n",
        "apiVersion: kulta.io/v1alpha1\nkind: RolloutList\nitems: {}\n",
    ] {
        assert!(!of(odd).is_good(), "{odd}");
    }
}

#[test]
fn people_see_file_object_path_and_reason() {
    let mut printed = Vec::new();
    let report = of(format!(
        "{ROLLOUT}---\n{}",
        ROLLOUT.replace("setWeight: 20", "setWeight: 200")
    ));

    text(&report, &mut Output::plain(&mut printed)).unwrap();

    let printed = String::from_utf8(printed).unwrap();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "a.yaml");
    assert_eq!(
        lines[1],
        "  ✔ Rollout shop/web (kulta.io/v1alpha1): works (canary, 2 steps, traffic by numbers of pods)"
    );
    assert_eq!(lines[2], "  ✖ Rollout shop/web (kulta.io/v1alpha1): refused");
    assert!(
        lines[3].starts_with("      spec.strategy.canary.steps[0].setWeight: "),
        "{printed}"
    );
    assert_eq!(lines[4], "2 objects in 1 file: 1 work, 1 refused");
}

#[test]
fn programs_see_the_same() {
    let told = json(&of(ROLLOUT.replace("setWeight: 20", "setWeight: 200")));

    assert_eq!(told["objects"][0]["verdict"], "refused");
    assert_eq!(
        told["objects"][0]["problems"][0]["path"],
        "spec.strategy.canary.steps[0].setWeight"
    );
}

#[test]
fn the_examples_that_come_with_kulta_work() {
    let example = include_str!("../../../../deploy/examples/canary.yaml");
    let report = of(example);
    assert!(report.is_good() && !report.objects.is_empty(), "{report:?}");
}
