//! The verb lint: what of a folder of manifests works with KULTA and what is refused. Without a cluster, with the parsers
//! that the controller has.

use std::collections::BTreeMap;

use kulta_api::analysis::template::{self as template_kinds, Template};
use kulta_api::{Group, analysis, experiment, rollout};
use kulta_core::spec::Problem;
use serde_json::Value;

mod check;
mod document;
mod read;
mod templates;
#[cfg(test)]
mod tests;
mod view;

pub use read::{ReadError, STANDARD_INPUT, read};
pub use view::{json, text};

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path, as it was found.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of files that were looked at.
    pub files: usize,
    /// The objects that are KULTA's, or Argo Rollouts', in the order in which they were found.
    pub objects: Vec<Checked>,
    /// Files that speak of such objects and can't be read.
    pub unreadable: Vec<Unreadable>,
}

impl Report {
    /// The number of objects that are refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.objects.iter().filter(|object| object.is_refused()).count()
    }

    /// Whether all that was found works.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.refused() == 0 && self.unreadable.is_empty()
    }
}

/// An object that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The file.
    pub file: String,
    /// Which document of the file, from 1.
    pub document: usize,
    /// As written.
    pub api_version: String,
    /// As written.
    pub kind: String,
    /// As written; None: that of whoever applies it.
    pub namespace: Option<String>,
    /// As written; empty where it is missing.
    pub name: String,
    /// Why it is refused; empty: it works.
    pub problems: Vec<Problem>,
    /// What it is, in a few words; empty where it is refused.
    pub summary: String,
    /// What whoever applies it should know.
    pub notes: Vec<String>,
}

impl Checked {
    /// Whether KULTA would refuse it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Kind, namespace and name.
    #[must_use]
    pub fn title(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
            ..
        } = self;
        let name = if name.is_empty() { "(without a name)" } else { name };
        match namespace {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        }
    }
}

/// A file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The kinds that KULTA has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Rollout,
    AnalysisRun,
    AnalysisTemplate,
    ClusterAnalysisTemplate,
    Experiment,
}

impl Kind {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            rollout::KIND => Some(Self::Rollout),
            analysis::KIND => Some(Self::AnalysisRun),
            template_kinds::KIND => Some(Self::AnalysisTemplate),
            template_kinds::CLUSTER_KIND => Some(Self::ClusterAnalysisTemplate),
            experiment::KIND => Some(Self::Experiment),
            _ => None,
        }
    }
}

/// An object in a file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) number: usize,
    pub(crate) value: Value,
}

impl Document {
    fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer)?.as_str()
    }

    /// The API group, where it is one of those that KULTA serves.
    fn group(&self) -> Option<Group> {
        Group::of(self.text("/apiVersion")?)
    }

    fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.text("/metadata/name").unwrap_or_default()
    }

    fn namespace(&self) -> Option<&str> {
        self.text("/metadata/namespace")
            .filter(|namespace| !namespace.is_empty())
    }

    fn spec(&self) -> &Value {
        self.value.get("spec").unwrap_or(&Value::Null)
    }
}

/// Looks at everything in `sources`.
#[must_use]
pub fn lint(sources: &[Source]) -> Report {
    let mut report = Report {
        files: sources.len(),
        ..Report::default()
    };
    let mut documents = Vec::new();
    for source in sources {
        match document::documents(source) {
            Ok(found) => documents.extend(found),
            Err(unreadable) => report.unreadable.extend(unreadable),
        }
    }
    let templates: BTreeMap<usize, Template> = documents
        .iter()
        .enumerate()
        .filter(|(_, document)| templates::is_template(document))
        .map(|(index, document)| (index, template_kinds::parse(document.spec())))
        .collect();
    let library = templates::Library::new(&documents, &templates);
    report.objects = documents
        .iter()
        .map(|document| check::check(document, &library))
        .collect();
    report
}
