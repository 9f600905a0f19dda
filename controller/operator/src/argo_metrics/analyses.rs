//! Series of AnalysisRuns, Experiments and templates.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kulta_core::analysis::run::AnalysisPhase;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::series::{Labels, of_object, with, write};
use crate::key::ObjectKey;
use crate::watch::{AnalysisRun, Caches, Measure, TemplateSeen};

type Runs = BTreeMap<ObjectKey, Arc<AnalysisRun>>;
type Phases<'seen> = Vec<(&'seen ObjectKey, AnalysisPhase)>;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, caches: &Caches) -> fmt::Result {
    let runs = caches.read(|tables| tables.analysis_runs.clone());
    let phases: Phases<'_> = runs.iter().map(|(key, run)| (key, run.view.phase)).collect();
    of_phases(encoder, &ANALYSIS_RUNS, &phases)?;
    of_metrics(encoder, &runs)?;
    let experiments = caches.read(|tables| tables.experiments.clone());
    let phases: Phases<'_> = experiments
        .iter()
        .map(|(key, experiment)| (key, experiment.view.phase))
        .collect();
    of_phases(encoder, &EXPERIMENTS, &phases)?;
    let (templates, cluster_templates) = caches.read(|tables| {
        let cluster = tables.cluster_analysis_templates.clone();
        (tables.analysis_templates.clone(), cluster)
    });
    let templates = templates.iter().map(|(key, template)| (key, &template.0));
    let cluster = cluster_templates.iter().map(|(key, template)| (key, &template.0));
    of_templates(encoder, &templates.chain(cluster).collect::<Vec<_>>())
}

/// Names and descriptions of what is told of objects with a phase.
struct Named {
    info: (&'static str, &'static str),
    phase: (&'static str, &'static str),
}

const ANALYSIS_RUNS: Named = Named {
    info: ("analysis_run_info", "AnalysisRuns, with their phase"),
    phase: (
        "analysis_run_phase",
        "Whether an AnalysisRun is in a phase (use analysis_run_info instead)",
    ),
};
const EXPERIMENTS: Named = Named {
    info: ("experiment_info", "Experiments, with their phase"),
    phase: (
        "experiment_phase",
        "Whether an Experiment is in a phase (use experiment_info instead)",
    ),
};

fn of_phases(encoder: &mut DescriptorEncoder<'_>, named: &Named, phases: &Phases<'_>) -> fmt::Result {
    write(
        encoder,
        named.info,
        MetricType::Gauge,
        phases
            .iter()
            .map(|(key, phase)| (with(key, [("phase", phase.as_str())]), 1)),
    )?;
    write(
        encoder,
        named.phase,
        MetricType::Gauge,
        phases.iter().flat_map(|(key, is)| {
            AnalysisPhase::ALL.map(|phase| {
                let labels = with(key, [("phase", phase.as_str())]);
                (labels, i64::from(*is == phase))
            })
        }),
    )
}

fn of_metrics(encoder: &mut DescriptorEncoder<'_>, runs: &Runs) -> fmt::Result {
    let metrics = || {
        runs.iter()
            .flat_map(|(key, run)| run.measures.iter().map(move |measure| (key, run, measure)))
    };
    write(
        encoder,
        (
            "analysis_run_metric_type",
            "Who measures a metric of an AnalysisRun",
        ),
        MetricType::Gauge,
        metrics().map(|(key, _, measure)| {
            let labels = [("metric", &*measure.name), ("type", measure.provider)];
            (with(key, labels), 1)
        }),
    )?;
    write(
        encoder,
        (
            "analysis_run_metric_phase",
            "Whether a metric of an AnalysisRun is in a phase",
        ),
        MetricType::Gauge,
        metrics().flat_map(|(key, run, measure)| {
            let (is, is_on_trial) = result(run, measure);
            AnalysisPhase::ALL.map(|phase| {
                let labels = with(
                    key,
                    [
                        ("metric", &*measure.name),
                        ("type", measure.provider),
                        ("dry_run", if is_on_trial { "true" } else { "false" }),
                        ("phase", phase.as_str()),
                    ],
                );
                (labels, i64::from(is == phase))
            })
        }),
    )
}

/// How a metric stands, and whether it is on trial, as far as that was found out.
fn result(run: &AnalysisRun, measure: &Measure) -> (AnalysisPhase, bool) {
    let mut evidence = run.view.evidence.iter();
    let found = evidence.find(|evidence| *evidence.metric == *measure.name);
    let is_on_trial = run.on_trial.contains(&measure.name);
    (
        found.map_or(AnalysisPhase::Pending, |found| found.phase),
        is_on_trial,
    )
}

fn of_templates(
    encoder: &mut DescriptorEncoder<'_>,
    templates: &[(&ObjectKey, &TemplateSeen)],
) -> fmt::Result {
    write(
        encoder,
        (
            "analysis_template_info",
            "AnalysisTemplates and ClusterAnalysisTemplates",
        ),
        MetricType::Gauge,
        templates.iter().map(|(key, _)| (of_object(key), 1)),
    )?;
    write(
        encoder,
        (
            "analysis_template_metric_info",
            "Metrics of AnalysisTemplates and ClusterAnalysisTemplates",
        ),
        MetricType::Gauge,
        templates.iter().flat_map(|(key, template)| {
            template.measures.iter().map(|measure| {
                let labels: Labels<'_> = with(key, [("type", measure.provider), ("metric", &*measure.name)]);
                (labels, 1)
            })
        }),
    )
}
