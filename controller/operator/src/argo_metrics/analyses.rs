//! Series of AnalysisRuns and templates.

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

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, caches: &Caches) -> fmt::Result {
    let runs = caches.read(|tables| tables.analysis_runs.clone());
    of_runs(encoder, &runs)?;
    of_metrics(encoder, &runs)?;
    let (templates, cluster_templates) = caches.read(|tables| {
        let cluster = tables.cluster_analysis_templates.clone();
        (tables.analysis_templates.clone(), cluster)
    });
    let templates = templates.iter().map(|(key, template)| (key, &template.0));
    let cluster = cluster_templates.iter().map(|(key, template)| (key, &template.0));
    of_templates(encoder, &templates.chain(cluster).collect::<Vec<_>>())
}

fn of_runs(encoder: &mut DescriptorEncoder<'_>, runs: &Runs) -> fmt::Result {
    write(
        encoder,
        ("analysis_run_info", "AnalysisRuns, with their phase"),
        MetricType::Gauge,
        runs.iter()
            .map(|(key, run)| (with(key, [("phase", run.view.phase.as_str())]), 1)),
    )?;
    write(
        encoder,
        (
            "analysis_run_phase",
            "Whether an AnalysisRun is in a phase (use analysis_run_info instead)",
        ),
        MetricType::Gauge,
        runs.iter().flat_map(|(key, run)| {
            AnalysisPhase::ALL.map(|phase| {
                let labels = with(key, [("phase", phase.as_str())]);
                (labels, i64::from(run.view.phase == phase))
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
