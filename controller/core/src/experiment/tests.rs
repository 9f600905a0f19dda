//! Experiments on a cluster that is made up: its pods are available when the test says so.

use jiff::{SignedDuration, Timestamp};

use super::status::{ConditionKind, ExperimentStatus, TemplateState};
use super::{
    Action, Analysis, Experiment, Observed, Plan, ReplicaSetSeen, RunSeen, Seen, Template, TemplateSeen,
    Version, decide,
};
use crate::analysis::run::AnalysisPhase;
use crate::observed::Routed;
use crate::status::Truth;

const DEADLINE: i64 = 600;
const DELAY: i64 = 30;

/// An experiment and the objects that it has made.
struct World {
    experiment: Experiment,
    status: ExperimentStatus,
    templates: Vec<TemplateSeen>,
    runs: Vec<Seen<RunSeen>>,
    routed: Option<Routed>,
    problem: Option<String>,
    now: Timestamp,
    wake_at: Option<Timestamp>,
}

fn template(name: &str) -> Template {
    Template {
        name: name.to_owned(),
        replicas: 2,
        service: None,
    }
}

fn world() -> World {
    let experiment = Experiment {
        templates: vec![template("baseline"), template("canary")],
        duration: None,
        progress_deadline: SignedDuration::from_secs(DEADLINE),
        terminate: false,
        analyses: Vec::new(),
        scale_down_delay: SignedDuration::from_secs(DELAY),
    };
    World::of(experiment)
}

fn measured(is_required: bool) -> World {
    let mut world = world();
    world.experiment.analyses.push(Analysis {
        name: "errors".to_owned(),
        is_required,
    });
    World::of(world.experiment)
}

impl World {
    fn of(experiment: Experiment) -> Self {
        let seen = |template: &Template| TemplateSeen {
            hash: format!("hash-{}", template.name),
            replica_set: Seen::Missing,
            service: Seen::Missing,
        };
        Self {
            status: ExperimentStatus::default(),
            templates: experiment.templates.iter().map(seen).collect(),
            runs: experiment.analyses.iter().map(|_| Seen::Missing).collect(),
            experiment,
            routed: None,
            problem: None,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            wake_at: None,
        }
    }

    fn decides(&self) -> Plan {
        let observed = Observed {
            name: "try",
            experiment: &self.experiment,
            status: &self.status,
            templates: self.templates.clone(),
            runs: self.runs.clone(),
            routed: self.routed.clone(),
            problem: self.problem.clone(),
        };
        decide(&observed, self.now)
    }

    /// Decides and carries out, until nothing is left to do.
    fn settle(&mut self) -> Vec<Action> {
        let mut done = Vec::new();
        for _round in 0..20 {
            let plan = self.decides();
            let same = plan.status == self.status;
            self.status = plan.status;
            self.wake_at = plan.wake_at;
            if plan.actions.is_empty() && same {
                return done;
            }
            for action in &plan.actions {
                self.carry_out(action);
            }
            done.extend(plan.actions);
        }
        panic!("it does not settle: {done:?}");
    }

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::CreateReplicaSet {
                template, replicas, ..
            } => {
                self.templates[*template].replica_set = Seen::Own(ReplicaSetSeen {
                    resource_version: "1".to_owned(),
                    spec_replicas: *replicas,
                    replicas: *replicas,
                    ready: 0,
                    available: 0,
                    failure: None,
                });
            }
            Action::ScaleReplicaSet { name, to, .. } => {
                let index = self
                    .experiment
                    .templates
                    .iter()
                    .position(|it| name.ends_with(&it.name));
                let Seen::Own(own) = &mut self.templates[index.unwrap()].replica_set else {
                    panic!("{name} is not there");
                };
                own.spec_replicas = *to;
                own.available = own.available.min(*to);
            }
            Action::CreateService { template, .. } => {
                self.templates[*template].service = Seen::Own(Version {
                    uid: "u".to_owned(),
                    resource_version: "1".to_owned(),
                });
            }
            Action::DeleteService { .. } => self.templates[1].service = Seen::Missing,
            Action::CreateRun { analysis, .. } => {
                self.runs[*analysis] = Seen::Own(RunSeen {
                    uid: "u".to_owned(),
                    resource_version: "1".to_owned(),
                    terminate: false,
                    phase: AnalysisPhase::Running,
                    message: String::new(),
                });
            }
            Action::DeleteRun { .. } => self.runs[0] = Seen::Missing,
            Action::TerminateRun { .. } => {
                let Seen::Own(run) = &mut self.runs[0] else {
                    panic!("there is no analysis");
                };
                run.terminate = true;
            }
        }
    }

    fn pods_come(&mut self) {
        for seen in &mut self.templates {
            if let Seen::Own(own) = &mut seen.replica_set {
                own.ready = own.spec_replicas;
                own.available = own.spec_replicas;
            }
        }
    }

    fn finds(&mut self, phase: AnalysisPhase, message: &str) {
        let Seen::Own(run) = &mut self.runs[0] else {
            panic!("there is no analysis");
        };
        run.phase = phase;
        message.clone_into(&mut run.message);
    }

    fn passes(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn sizes(&self) -> Vec<u32> {
        let own = self.templates.iter().filter_map(|seen| seen.replica_set.own());
        own.map(|own| own.spec_replicas).collect()
    }

    fn states(&self) -> Vec<TemplateState> {
        self.status.template_statuses.iter().map(|it| it.status).collect()
    }
}

#[test]
fn pods_of_all_templates_come_up_and_then_it_runs() {
    let mut world = world();

    world.settle();
    assert_eq!(
        (world.sizes(), world.status.phase),
        (vec![2, 2], AnalysisPhase::Pending)
    );
    assert_eq!(world.states(), [TemplateState::Progressing; 2]);

    world.pods_come();
    world.settle();
    assert_eq!(world.status.phase, AnalysisPhase::Running);
    assert_eq!(world.states(), [TemplateState::Running; 2]);
    assert_eq!(world.status.available_at, Some(world.now));
    let running = world.status.condition(ConditionKind::Running).unwrap();
    assert_eq!(running.status, Truth::True);
}

#[test]
fn the_duration_is_measured_from_when_all_pods_are_available() {
    let mut world = world();
    world.experiment.duration = Some(SignedDuration::from_secs(60));
    world.settle();
    world.passes(100);
    world.pods_come();
    world.settle();
    assert_eq!(world.wake_at, Some(world.now + SignedDuration::from_secs(60)));

    world.passes(59);
    world.settle();
    assert_eq!(world.status.phase, AnalysisPhase::Running);

    world.passes(1);
    world.settle();
    assert_eq!(world.status.phase, AnalysisPhase::Successful);
    assert_eq!(world.states(), [TemplateState::Successful; 2]);
}

#[test]
fn past_its_duration_what_is_slow_to_go_is_not_looked_at_without_a_pause() {
    let mut world = measured(false);
    world.experiment.duration = Some(SignedDuration::from_secs(60));
    world.settle();
    world.pods_come();
    world.settle();
    world.runs[0] = Seen::Leaving;
    world.passes(61);

    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Running);
    assert_eq!(world.wake_at, Some(world.now + super::GONE_RETRY));
}

#[test]
fn pods_stay_for_the_delay_after_its_end() {
    let mut world = world();
    world.settle();
    world.pods_come();
    world.settle();
    world.experiment.terminate = true;

    world.settle();
    assert_eq!(
        (world.sizes(), world.status.phase),
        (vec![2, 2], AnalysisPhase::Successful)
    );
    assert_eq!(world.wake_at, Some(world.now + SignedDuration::from_secs(DELAY)));

    world.passes(DELAY);
    world.settle();
    assert_eq!(world.sizes(), [0, 0]);
    assert_eq!(world.wake_at, None);
}

#[test]
fn pods_that_do_not_come_in_time_fail_it() {
    let mut world = world();
    world.settle();

    world.passes(DEADLINE);
    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Failed);
    assert_eq!(
        world.status.message,
        "Template 'baseline' exceeded its progressDeadlineSeconds (600)"
    );
}

#[test]
fn analyses_begin_when_all_pods_are_available() {
    let mut world = measured(false);

    let before = world.settle();
    assert!(
        !before
            .iter()
            .any(|action| matches!(action, Action::CreateRun { .. }))
    );

    world.pods_come();
    let after = world.settle();
    let expected = Action::CreateRun {
        analysis: 0,
        name: "try-errors".to_owned(),
    };
    assert_eq!(after, [expected]);
    assert_eq!(world.status.analysis_runs[0].analysis_run, "try-errors");
}

/// Arguments may name when all pods were available, so that is stored before.
#[test]
fn no_analysis_begins_before_it_is_written_down_that_all_pods_are_available() {
    let mut world = measured(false);
    world.settle();
    world.pods_come();

    let plan = world.decides();

    assert_eq!(
        (plan.actions, plan.status.available_at),
        (Vec::new(), Some(world.now))
    );
}

#[test]
fn an_analysis_that_fails_ends_it_at_once() {
    let mut world = measured(false);
    world.settle();
    world.pods_come();
    world.settle();

    world.finds(AnalysisPhase::Failed, "5 % errors");
    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Failed);
    assert_eq!(world.status.message, "analysis 'errors': 5 % errors");
}

#[test]
fn one_whose_status_is_taken_away_begins_anew_with_another_analysis() {
    let mut world = measured(true);
    world.settle();
    world.pods_come();
    world.settle();
    world.finds(AnalysisPhase::Failed, "5 % errors");
    world.settle();
    world.passes(DELAY);
    world.settle();
    assert_eq!(
        (world.status.phase, world.sizes()),
        (AnalysisPhase::Failed, vec![0, 0])
    );

    world.status = ExperimentStatus::default();
    world.settle();
    world.pods_come();
    let done = world.settle();

    assert!(
        matches!(done[..], [Action::DeleteRun { .. }, Action::CreateRun { .. }]),
        "{done:?}"
    );
    assert_eq!(
        (world.status.phase, world.sizes()),
        (AnalysisPhase::Running, vec![2, 2])
    );
    world.finds(AnalysisPhase::Successful, "");
    world.settle();
    assert_eq!(world.status.phase, AnalysisPhase::Successful);
}

#[test]
fn it_ends_when_all_required_analyses_have() {
    let mut world = measured(true);
    world.settle();
    world.pods_come();
    world.settle();

    world.finds(AnalysisPhase::Successful, "");
    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Successful);
    assert_eq!(world.status.message, "Required AnalysisRuns completed");
}

#[test]
fn one_that_is_not_required_does_not_end_it() {
    let mut world = measured(false);
    world.settle();
    world.pods_come();
    world.settle();

    world.finds(AnalysisPhase::Successful, "");
    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Running);
}

#[test]
fn what_still_measures_at_its_end_is_waited_for_and_counts() {
    let mut world = measured(false);
    world.settle();
    world.pods_come();
    world.settle();
    world.experiment.terminate = true;

    let done = world.settle();
    assert!(matches!(done[..], [Action::TerminateRun { .. }]), "{done:?}");
    assert_eq!(world.status.phase, AnalysisPhase::Running);

    world.finds(AnalysisPhase::Inconclusive, "too few requests");
    world.settle();
    assert_eq!(world.status.phase, AnalysisPhase::Inconclusive);
}

#[test]
fn a_template_with_a_service_gets_one_and_loses_it_with_its_pods() {
    let mut world = world();
    world.experiment.templates[1].service = Some(None);
    world.settle();
    assert_eq!(
        world.status.template_statuses[1].service_name.as_deref(),
        Some("try-canary")
    );
    assert!(world.templates[1].service.own().is_some());

    world.experiment.terminate = true;
    world.settle();
    world.passes(DELAY);
    let done = world.settle();

    assert!(matches!(done[0], Action::DeleteService { .. }), "{done:?}");
    assert_eq!(world.sizes(), [0, 0]);
    assert_eq!(world.status.template_statuses[1].service_name, None);
}

#[test]
fn one_that_is_told_to_end_before_it_has_begun_makes_nothing() {
    let mut world = measured(true);
    world.experiment.terminate = true;

    assert_eq!(world.settle(), []);
    assert_eq!(world.status.phase, AnalysisPhase::Successful);
}

#[test]
fn an_analysis_has_its_say_however_short_the_duration_is() {
    let mut world = measured(false);
    world.experiment.duration = Some(SignedDuration::ZERO);
    world.settle();
    world.pods_come();

    let done = world.settle();

    assert!(
        matches!(done[..], [Action::CreateRun { .. }, Action::TerminateRun { .. }]),
        "{done:?}"
    );
    assert_eq!(world.status.phase, AnalysisPhase::Running);
}

#[test]
fn what_an_experiment_of_the_same_name_has_left_is_waited_for() {
    let mut world = world();
    world.experiment.templates[1].service = Some(None);
    world.templates[1].replica_set = Seen::Leaving;
    world.templates[1].service = Seen::Leaving;

    let done = world.settle();

    assert!(
        matches!(done[..], [Action::CreateReplicaSet { template: 0, .. }]),
        "{done:?}"
    );
    assert_eq!(world.states(), [TemplateState::Progressing; 2]);
}

#[test]
fn what_the_api_server_will_not_have_ends_it_with_its_words() {
    let mut world = world();
    world.settle();
    let service = Action::CreateService {
        template: 1,
        name: "try-canary".to_owned(),
        hash: String::new(),
    };

    world.status = world
        .status
        .refused(&service, "must be no more than 63 characters", world.now);
    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Error);
    assert_eq!(world.status.message, "must be no more than 63 characters");
}

#[test]
fn one_that_is_over_and_does_not_say_since_when_is_tidied_up_all_the_same() {
    let mut world = world();
    world.settle();
    world.status.phase = AnalysisPhase::Failed;
    world.status.conditions.clear();
    world.settle();

    world.passes(DELAY);
    world.settle();

    assert_eq!(world.sizes(), [0, 0]);
}

#[test]
fn a_service_of_somebody_else_is_an_error_and_is_named() {
    let mut world = world();
    world.experiment.templates[1].service = Some(Some("web".to_owned()));
    world.templates[1].service = Seen::Taken;

    world.settle();

    assert_eq!(world.status.phase, AnalysisPhase::Error);
    assert!(
        world.status.message.contains("\"web\""),
        "{}",
        world.status.message
    );
}

#[test]
fn a_name_that_is_taken_leads_to_another_one() {
    let mut world = world();
    world.templates[0].replica_set = Seen::Taken;
    let first = world.decides();
    assert_eq!(first.status.template_statuses[0].collisions(), 1);

    world.status = first.status;
    world.templates[0].replica_set = Seen::Missing;
    let done = world.settle();

    let named = done.iter().any(|action| {
        matches!(action, Action::CreateReplicaSet { name, .. } if name == "try-baseline-hash-baseline")
    });
    assert!(named, "{done:?}");
}

#[test]
fn nothing_begins_before_its_analyses_can_be_put_together() {
    let mut world = measured(true);
    world.problem = Some("AnalysisTemplate \"errors\" not found".to_owned());

    assert_eq!(world.settle(), []);
    assert_eq!(world.status.phase, AnalysisPhase::Pending);
    assert_eq!(world.status.message, "AnalysisTemplate \"errors\" not found");

    world.problem = None;
    world.settle();
    assert_eq!((world.sizes(), world.status.message.as_str()), (vec![2, 2], ""));
}

#[test]
fn an_invalid_one_is_over_and_its_pods_go() {
    let mut world = world();
    world.settle();

    world.status = world
        .status
        .invalid("spec.templates[0].name: must not be empty", world.now);
    world.passes(DELAY);
    world.settle();

    assert_eq!(
        (world.status.phase, world.sizes()),
        (AnalysisPhase::Error, vec![0, 0])
    );
}

#[test]
fn pods_that_come_and_go_are_progress_again_and_the_beginning_stays() {
    let mut world = world();
    world.settle();
    world.pods_come();
    world.settle();
    let available = world.status.available_at;
    world.passes(5);
    if let Seen::Own(own) = &mut world.templates[0].replica_set {
        own.available = 1;
    }

    world.settle();

    assert_eq!(
        world.states(),
        [TemplateState::Progressing, TemplateState::Running]
    );
    assert_eq!(world.status.available_at, available);
    assert_eq!(
        world.status.template_statuses[0].last_transition_time,
        Some(world.now)
    );
}

#[test]
fn pods_and_services_stay_as_long_as_routes_may_send_to_them() {
    let mut world = world();
    world.experiment.templates[1].service = Some(None);
    world.routed = Some(Routed::Now(["try-canary".to_owned()].into()));
    world.settle();
    world.pods_come();
    world.settle();

    world.experiment.terminate = true;
    world.settle();
    world.passes(10 * DELAY);
    world.settle();
    assert_eq!(world.status.phase, AnalysisPhase::Successful);
    assert_eq!(world.sizes(), [2, 2]);
    assert!(world.templates[1].service.own().is_some());

    // The delay is for those who are slow to notice.
    world.routed = Some(Routed::Until(world.now));
    world.settle();
    assert_eq!((world.sizes(), world.wake_at.is_some()), (vec![2, 2], true));

    world.passes(DELAY);
    world.settle();
    assert_eq!(world.sizes(), [0, 0]);
    assert!(world.templates[1].service.own().is_none());
}

/// A Rollout may note at the same moment that routes send to them: of the two, the first to be written counts.
#[test]
fn no_pods_go_before_its_end_is_written_down() {
    let mut world = world();
    world.experiment.scale_down_delay = SignedDuration::ZERO;
    world.settle();
    world.pods_come();
    world.settle();
    world.experiment.terminate = true;

    let plan = world.decides();

    assert_eq!(
        (plan.actions, plan.status.phase),
        (Vec::new(), AnalysisPhase::Successful)
    );
    assert_eq!(plan.wake_at, Some(world.now));
}
