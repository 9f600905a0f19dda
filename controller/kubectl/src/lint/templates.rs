//! The templates among the files, and which of them an analysis means.

use std::collections::BTreeMap;

use kulta_api::analysis::TemplateReference;
use kulta_api::analysis::template::{Template, TemplateSpec};

use super::{Document, Kind};

pub(super) fn is_template(document: &Document) -> bool {
    matches!(
        Kind::of(document.kind()),
        Some(Kind::AnalysisTemplate | Kind::ClusterAnalysisTemplate)
    )
}

/// All templates.
pub(super) struct Library<'a> {
    entries: Vec<(&'a Document, &'a Template)>,
}

impl<'a> Library<'a> {
    /// The templates among `documents`, read, by their places in it.
    pub(super) fn new(documents: &'a [Document], read: &'a BTreeMap<usize, Template>) -> Self {
        let entries = read
            .iter()
            .filter_map(|(index, template)| Some((documents.get(*index)?, template)))
            .collect();
        Self { entries }
    }

    /// The template that `user` means by `reference`, one of its own group: of its own file before others of the same name, for folders
    /// often have several variants of one object.
    pub(super) fn find(&self, reference: &TemplateReference, user: &Document) -> Option<&'a Template> {
        let kind = if reference.is_cluster_scoped() {
            Kind::ClusterAnalysisTemplate
        } else {
            Kind::AnalysisTemplate
        };
        // Which namespace is meant where none is written is known only to whoever applies it.
        let is_near = |document: &Document| {
            let namespaces = document.namespace().zip(user.namespace());
            kind == Kind::ClusterAnalysisTemplate || namespaces.is_none_or(|(one, other)| one == other)
        };
        let mut fitting = self.entries.iter().filter(|(document, _)| {
            Kind::of(document.kind()) == Some(kind)
                && document.group() == user.group()
                && document.name() == reference.template_name
                && is_near(document)
        });
        let first = fitting.clone().next();
        let own = fitting.find(|(document, _)| document.file == user.file);
        own.or(first).map(|(_, template)| *template)
    }

    /// The templates that `first` name, and those that they name, as far as they are there; and those that are not.
    pub(super) fn closure(
        &self,
        first: &[TemplateReference],
        user: &Document,
    ) -> (Vec<&'a TemplateSpec>, Vec<TemplateReference>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        let mut seen: Vec<TemplateReference> = Vec::new();
        let mut waiting: Vec<_> = first.iter().rev().cloned().collect();
        while let Some(reference) = waiting.pop() {
            if seen.contains(&reference) {
                continue;
            }
            match self.find(&reference, user) {
                Some(Ok(spec)) => {
                    found.push(spec);
                    waiting.extend(spec.templates.iter().flatten().cloned());
                }
                // What can't be read of it is told where it is used.
                Some(Err(_)) => {}
                None => missing.push(reference.clone()),
            }
            seen.push(reference);
        }
        (found, missing)
    }
}
