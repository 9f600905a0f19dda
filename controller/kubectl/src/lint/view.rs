//! What came of it, for people and for programs.

use std::io;

use serde_json::{Value, json as object};

use super::check::counted;
use super::{Checked, Report};
use crate::mark::Mark;
use crate::output::{Cell, Output};

/// Prints what works and what is refused, by file.
///
/// # Errors
/// When it can't be written.
pub fn text(report: &Report, out: &mut Output<'_>) -> io::Result<()> {
    let mut file = None;
    for object in &report.objects {
        if file != Some(&object.file) {
            out.line(&object.file)?;
            file = Some(&object.file);
        }
        out.table(&lines(object))?;
    }
    for unreadable in &report.unreadable {
        out.line(&unreadable.file)?;
        let reason = unreadable.reason.as_str();
        out.table(&[vec![Cell::from("  ").and(Mark::Warning.with(reason))]])?;
    }
    let (all, refused) = (report.objects.len(), report.refused());
    let files = counted(report.files, "file");
    if report.objects.is_empty() && report.unreadable.is_empty() {
        return out.line(format!("{files}: no object of KULTA or of Argo Rollouts"));
    }
    let unreadable = match report.unreadable.len() {
        0 => String::new(),
        count => format!(", {} can't be read", counted(count, "file")),
    };
    out.line(format!(
        "{} in {files}: {} work, {refused} refused{unreadable}",
        counted(all, "object"),
        all - refused,
    ))
}

fn lines(object: &Checked) -> Vec<Vec<Cell>> {
    let (mark, verdict) = if object.is_refused() {
        (Mark::Bad, "refused".to_owned())
    } else {
        (Mark::Good, format!("works ({})", object.summary))
    };
    let title = format!("{} ({}): {verdict}", object.title(), object.api_version);
    let problems = object.problems.iter().map(|problem| format!("      {problem}"));
    let notes = object.notes.iter().map(|note| format!("      note: {note}"));
    let below = problems.chain(notes).map(|line| vec![line.into()]);
    let first = vec![Cell::from("  ").and(mark.with(&title))];
    [first].into_iter().chain(below).collect()
}

/// The same as JSON.
#[must_use]
pub fn json(report: &Report) -> Value {
    let objects = report.objects.iter().map(|checked| {
        let problems = checked.problems.iter();
        let problems: Vec<_> = problems
            .map(|problem| object!({"path": problem.path, "reason": problem.message}))
            .collect();
        object!({
            "file": checked.file,
            "document": checked.document,
            "apiVersion": checked.api_version,
            "kind": checked.kind,
            "namespace": checked.namespace,
            "name": checked.name,
            "verdict": if checked.is_refused() { "refused" } else { "works" },
            "summary": checked.summary,
            "problems": problems,
            "notes": checked.notes,
        })
    });
    let unreadable = report.unreadable.iter();
    let unreadable = unreadable.map(|entry| object!({"file": entry.file, "reason": entry.reason}));
    object!({
        "files": report.files,
        "objects": objects.collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
    })
}
