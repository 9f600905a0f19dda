//! What is wrong with one object.

use std::collections::BTreeSet;

use kulta_api::Group;
use kulta_api::analysis::template::TemplateSpec;
use kulta_api::analysis::{self, Place, Reference, TemplateReference};
use kulta_api::rollout::workload::TakenFrom;
use kulta_api::{experiment, rollout};
use kulta_core::spec::{Method, Problem, RouteKind, Spec, Step, TrafficRouting};
use serde_json::{Value, json};

use super::templates::Library;
use super::{Checked, Document, Kind};

/// What whoever applies an object of `argoproj.io` should know.
const NOTE_ON_ARGO: &str = "served as it is by a controller with --argo-api";

/// Where an object is applied that does not say where.
const DEFAULT_NAMESPACE: &str = "default";

/// What one object came to.
#[derive(Default)]
struct Finding {
    problems: Vec<Problem>,
    summary: String,
    notes: Vec<String>,
}

impl Finding {
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }
}

pub(super) fn check(document: &Document, library: &Library<'_>) -> Checked {
    let mut finding = Finding::default();
    let group = document.group().unwrap_or_default();
    let written = document.text("/apiVersion").unwrap_or_default();
    if written != group.api_version() {
        let message = format!("there is no {written}; write {}", group.api_version());
        finding.wrong("apiVersion", message);
    }
    let has_name = !document.name().is_empty() || document.text("/metadata/generateName").is_some();
    if !has_name {
        finding.wrong("metadata.name", "must not be empty; write a name");
    }
    match Kind::of(document.kind()) {
        Some(Kind::Rollout) => rollout(document, library, &mut finding),
        Some(Kind::AnalysisRun) => analysis_run(document, &mut finding),
        Some(Kind::AnalysisTemplate) => template(document, false, library, &mut finding),
        Some(Kind::ClusterAnalysisTemplate) => template(document, true, library, &mut finding),
        Some(Kind::Experiment) => experiment(document, library, &mut finding),
        None => {
            let message = format!("this version of KULTA has no kind \"{}\"", document.kind());
            finding.wrong("kind", message);
        }
    }
    if group == Group::Argo && finding.problems.is_empty() {
        finding.notes.push(NOTE_ON_ARGO.to_owned());
    }
    let Finding {
        problems,
        summary,
        notes,
    } = finding;
    Checked {
        file: document.file.clone(),
        document: document.number,
        api_version: document.text("/apiVersion").unwrap_or_default().to_owned(),
        kind: document.kind().to_owned(),
        namespace: document.namespace().map(str::to_owned),
        name: document.name().to_owned(),
        summary: if problems.is_empty() {
            summary
        } else {
            String::new()
        },
        problems,
        notes,
    }
}

fn rollout(document: &Document, library: &Library<'_>, finding: &mut Finding) {
    let namespace = document.namespace().unwrap_or(DEFAULT_NAMESPACE);
    let group = document.group().unwrap_or_default();
    match rollout::parse_with(group, namespace, document.spec(), TakenFrom::Unknown) {
        Ok(spec) => {
            finding.summary = summary(&spec);
            if let Some(workload) = &spec.workload {
                let note = format!("the pod template of {workload} was not looked at");
                finding.notes.push(note);
            }
            finding.notes.extend(unheeded(&spec).map(str::to_owned));
        }
        Err(invalid) => finding.problems.extend(invalid.problems),
    }
    for reference in analysis::references(&document.value) {
        resolve(&reference, document, namespace, library, finding);
    }
}

/// An analysis with the templates that it names; without them nobody can tell.
fn resolve(
    reference: &Reference,
    document: &Document,
    namespace: &str,
    library: &Library<'_>,
    finding: &mut Finding,
) {
    let (_, missing) = library.closure(reference.templates(), document);
    if !missing.is_empty() {
        let place = match reference.place {
            Place::Background => "spec.strategy.canary.analysis".to_owned(),
            Place::Step(index) => format!("spec.strategy.canary.steps[{index}].analysis"),
            Place::PrePromotion => "spec.strategy.blueGreen.prePromotionAnalysis".to_owned(),
            Place::PostPromotion => "spec.strategy.blueGreen.postPromotionAnalysis".to_owned(),
        };
        return finding.notes.push(not_checked(&place, &missing));
    }
    let find = |reference: &TemplateReference| library.find(reference, document);
    if let Err(problems) = reference.resolve(namespace, &find) {
        finding.problems.extend(problems);
    }
}

fn not_checked(place: &str, missing: &[TemplateReference]) -> String {
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!(
        "{place} was not checked: {} not among the files",
        names.join(", ")
    )
}

fn experiment(document: &Document, library: &Library<'_>, finding: &mut Finding) {
    match experiment::parse(document.spec()) {
        Ok(task) => {
            let templates = task.experiment.templates.len();
            finding.summary = counted(templates, "version");
            let named: Vec<_> = task.references().collect();
            let (_, missing) = library.closure(&named, document);
            if !missing.is_empty() {
                finding.notes.push(not_checked("spec.analyses", &missing));
            }
        }
        Err(problems) => finding.problems.extend(problems),
    }
}

fn analysis_run(document: &Document, finding: &mut Finding) {
    match analysis::parse(document.spec(), &|_, argument| format!("secret-{argument}")) {
        Ok(task) => {
            let what = if task.next.is_some() { "gate" } else { "metric" };
            finding.summary = counted(task.measured.len(), what);
        }
        Err(problems) => finding.problems.extend(problems),
    }
}

/// A template by itself: in an analysis that gives every argument a value that is not known yet.
fn template(document: &Document, cluster_scope: bool, library: &Library<'_>, finding: &mut Finding) {
    let reference = TemplateReference {
        template_name: document.name().to_owned(),
        cluster_scope: cluster_scope.then_some(true),
    };
    let own = match analysis::template::parse(document.spec()) {
        Ok(own) => own,
        Err(problems) => return finding.problems.extend(problems),
    };
    let others = own.templates.as_deref().unwrap_or_default();
    let (found, missing) = library.closure(others, document);
    finding.summary = counted(own.metrics.iter().flatten().count(), "metric");
    if !missing.is_empty() {
        return finding.notes.push(not_checked("spec", &missing));
    }
    let template = Ok(own);
    let find = |wanted: &TemplateReference| {
        if *wanted == reference {
            Some(&template)
        } else {
            library.find(wanted, document)
        }
    };
    let mut specs = found;
    specs.extend(template.as_ref().ok());
    let user = user_of(&reference, &specs);
    for analysis in analysis::references(&user) {
        let namespace = document.namespace().unwrap_or(DEFAULT_NAMESPACE);
        if let Err(problems) = analysis.resolve(namespace, &find) {
            let told = problems
                .into_iter()
                .map(|problem| as_its_own(problem, &reference));
            finding.problems.extend(told);
        }
    }
}

/// A Rollout that uses a template and says nothing of its own.
fn user_of(reference: &TemplateReference, specs: &[&TemplateSpec]) -> Value {
    let args = specs.iter().flat_map(|spec| spec.args.iter().flatten());
    let open: BTreeSet<_> = args
        .filter(|argument| argument.value.is_none() && argument.value_from.is_none())
        .map(|argument| argument.name.as_str())
        .collect();
    let args: Vec<_> = open
        .into_iter()
        .map(|name| json!({"name": name, "valueFrom": {"podTemplateHashValue": "Latest"}}))
        .collect();
    let analysis = json!({"templates": [reference], "args": args});
    json!({"spec": {"strategy": {"canary": {"analysis": analysis}}}})
}

/// A problem that is told of a Rollout which uses the template, as one of the template.
fn as_its_own(problem: Problem, reference: &TemplateReference) -> Problem {
    let told = problem.message.strip_prefix(&format!("{reference}: "));
    match told.and_then(|told| told.split_once(": ")) {
        Some((path, message)) => Problem::new(path, message),
        None => Problem::new("spec", problem.message),
    }
}

/// What a Rollout that works does.
fn summary(spec: &Spec) -> String {
    let strategy = match &spec.method {
        Method::BlueGreen(_) => "blue-green",
        Method::Routed(_) | Method::Basic { .. } => "canary",
    };
    let mut parts = vec![strategy.to_owned()];
    if !spec.steps.is_empty() {
        parts.push(counted(spec.steps.len(), "step"));
    }
    parts.push(match &spec.method {
        Method::Routed(canary) => format!("traffic by {}", routes(&canary.routing)),
        Method::Basic { .. } => "traffic by numbers of pods".to_owned(),
        Method::BlueGreen(blue_green) => {
            let by_service = || format!("Service {}", blue_green.active_service);
            let by = blue_green.routing.as_deref().map_or_else(by_service, routes);
            format!("all traffic at once by {by}")
        }
    });
    if spec.background.is_some() {
        parts.push("analysis beside the steps".to_owned());
    }
    if spec.promotion_gates.is_some() {
        parts.push("promotion gates".to_owned());
    }
    parts.join(", ")
}

fn routes(routing: &TrafficRouting) -> String {
    let kinds = RouteKind::ALL.into_iter().filter_map(|kind| {
        let routes = routing.routes.iter();
        let count = routes.filter(|route| route.reference.kind == kind).count();
        (count > 0).then(|| counted(count, kind.as_str()))
    });
    let selected = routing
        .selectors
        .iter()
        .map(|(kind, _)| format!("{kind}s by labels"));
    kinds.chain(selected).collect::<Vec<_>>().join(" and ")
}

/// What a Rollout for Argo Rollouts asks for and its plugin does not do, either.
fn unheeded(spec: &Spec) -> Option<&'static str> {
    let takes = |kind: Option<RouteKind>| {
        let mut routes = spec.routing().into_iter().flat_map(|routing| &routing.routes);
        routes.any(|route| route.takes_managed_rules && kind.is_none_or(|kind| route.reference.kind == kind))
    };
    let mut steps = spec.steps.iter();
    let is_unheeded = steps.any(|step| match step {
        Step::SetHeaderRoute(_) => !takes(None),
        Step::SetMirrorRoute(_) => !takes(Some(RouteKind::Http)),
        _ => false,
    });
    is_unheeded
        .then_some("a step sets a managed route and does nothing: write useHeaderRoutes: true at a route")
}

pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
