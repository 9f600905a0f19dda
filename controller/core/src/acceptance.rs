//! Acceptance: whether the gateways have taken a route as it is now.
//!
//! Only reports about the route's current generation count, and only those of parents that the route still names.

use jiff::{SignedDuration, Timestamp};

use crate::draft::after;
use crate::observed::{ParentReport, RouteView, Verdict};
use crate::spec::RouteReference;

/// What the gateways say of the routes as they are now.
pub(crate) struct Acceptance {
    /// At least one parent of every route accepts it as it is now, none rejects it, none is still waited for.
    pub(crate) in_force: bool,
    /// Who rejects which route, and why.
    pub(crate) rejected: Vec<String>,
    /// Parents that have said nothing about a route as it is now.
    pub(crate) silent: Vec<String>,
    /// The silent ones are waited for no longer.
    pub(crate) overdue: bool,
    /// Until when they are.
    pub(crate) wait_until: Option<Timestamp>,
}

impl Acceptance {
    /// Reads what the parents of `routes` say; silent ones are waited for until `deadline` after `requested_at`.
    pub(crate) fn of<'a>(
        routes: impl Iterator<Item = (&'a RouteReference, &'a RouteView)>,
        requested_at: Timestamp,
        now: Timestamp,
        deadline: SignedDuration,
    ) -> Self {
        let until = after(requested_at, deadline);
        let overdue = now >= until;
        let (mut rejected, mut silent) = (Vec::new(), Vec::new());
        let mut all_have_one = true;
        for (reference, route) in routes {
            let reports = Reports::of(route);
            all_have_one &= reports.accepted > 0;
            rejected.extend(
                reports
                    .rejected
                    .into_iter()
                    .map(|message| format!("{} \"{reference}\": {message}", reference.kind)),
            );
            silent.extend(
                reports
                    .silent
                    .into_iter()
                    .map(|parent| format!("{} \"{reference}\": {parent}", reference.kind)),
            );
        }
        let in_force = all_have_one && rejected.is_empty() && (silent.is_empty() || overdue);
        let wait_until = (!silent.is_empty() && !overdue).then_some(until);
        Self {
            in_force,
            rejected,
            silent,
            overdue,
            wait_until,
        }
    }
}

/// Why `route` does not serve as it is now, by what its parents say: who rejects it, or that none has accepted it. None: it serves.
#[must_use]
pub fn objection(route: &RouteView) -> Option<String> {
    let reports = Reports::of(route);
    if !reports.rejected.is_empty() {
        return Some(reports.rejected.join("; "));
    }
    (reports.accepted == 0).then(|| "no parent has accepted it".to_owned())
}

/// Whether a parent rejects `route` as it is now.
pub(crate) fn is_rejected(route: &RouteView) -> bool {
    !Reports::of(route).rejected.is_empty()
}

struct Reports {
    accepted: usize,
    rejected: Vec<String>,
    silent: Vec<String>,
}

impl Reports {
    fn of(route: &RouteView) -> Self {
        let mut found = Self {
            accepted: 0,
            rejected: Vec::new(),
            silent: Vec::new(),
        };
        for parent in &route.parents {
            let mut reports = route
                .reports
                .iter()
                .filter(|report| report.parent == *parent)
                .peekable();
            if reports.peek().is_none() {
                found.silent.push(parent.clone());
            }
            for report in reports {
                match judge(report, route.generation) {
                    Judgement::Accepted => found.accepted += 1,
                    Judgement::Rejected(message) => found.rejected.push(format!("{parent}: {message}")),
                    Judgement::Silent => found.silent.push(parent.clone()),
                }
            }
        }
        found
    }
}

enum Judgement {
    Accepted,
    Rejected(String),
    Silent,
}

fn judge(report: &ParentReport, generation: i64) -> Judgement {
    let current = |verdict: &&Verdict| verdict.observed_generation >= generation;
    let accepted = report.accepted.as_ref().filter(current);
    let refs = report.resolved_refs.as_ref().filter(current);
    match (accepted, refs) {
        (Some(accepted), _) if !accepted.holds => Judgement::Rejected(accepted.message.clone()),
        (_, Some(refs)) if !refs.holds => Judgement::Rejected(refs.message.clone()),
        (Some(_), _) => Judgement::Accepted,
        (None, _) => Judgement::Silent,
    }
}
