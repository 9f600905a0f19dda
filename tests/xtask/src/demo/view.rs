//! What the audience sees: five moving lines on a terminal, a line for each change elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kulta_api::status::RolloutStatus;
use kulta_core::status::Phase;
use kulta_e2e::Traffic;
use kulta_e2e::rollout::requested_weight;
use kulta_test_cluster::progress::complain;
use kulta_traffic::Snapshot;
use tokio::time::{MissedTickBehavior, interval};

use super::scene::{Act, Pods, Scene};

/// Often enough to look alive.
const REFRESH: Duration = Duration::from_millis(250);
/// The measured share and rate are those of so many last refreshes: two seconds.
const WINDOW: usize = 8;

/// Draws until it is dropped.
pub(crate) struct View {
    started: Instant,
    screen: Option<Screen>,
    shown: Option<Changing>,
    recent: VecDeque<Snapshot>,
}

/// Nothing of the terminal is changed that had to be put back: the lines are only drawn over and over.
struct Screen {
    act: ProgressBar,
    traffic: ProgressBar,
    pods: ProgressBar,
    analysis: ProgressBar,
    requests: ProgressBar,
}

/// What is worth a line where lines stay.
#[derive(Clone, PartialEq)]
struct Changing {
    act: Act,
    phase: Phase,
    step: Option<u32>,
    weight: Option<u32>,
    pods: BTreeMap<String, Pods>,
    measured: Option<String>,
    failed: u64,
}

impl View {
    pub(crate) fn new() -> Self {
        let screen = std::io::stderr().is_terminal().then(Screen::new);
        Self {
            started: Instant::now(),
            screen,
            shown: None,
            recent: VecDeque::new(),
        }
    }

    /// Shows what is going on, for ever.
    pub(crate) async fn run(mut self, scene: Arc<Scene>, traffic: Arc<Traffic>) {
        let mut refreshes = interval(REFRESH);
        refreshes.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            refreshes.tick().await;
            self.refresh(&scene, &traffic.snapshot());
        }
    }

    fn refresh(&mut self, scene: &Scene, snapshot: &Snapshot) {
        let (Some(status), Some(act)) = (scene.status(), scene.act()) else {
            return;
        };
        let pods = scene.pods();
        self.recent.push_back(snapshot.clone());
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        let window = self
            .recent
            .front()
            .map_or_else(|| snapshot.clone(), |oldest| snapshot.since(oldest));
        let now = Changing {
            act,
            phase: status.phase,
            step: status.current_step_index,
            weight: requested_weight(&status).map(|canary| act.role.weight(canary)),
            pods,
            measured: scene.measured(),
            failed: snapshot.failed_total(),
        };
        let elapsed = self.started.elapsed().as_secs();
        match &self.screen {
            Some(screen) => screen.draw(elapsed, &now, &status, snapshot, &window),
            None if self.shown.as_ref() != Some(&now) => {
                complain(&line(elapsed, &now, &status, snapshot, &window));
                self.shown = Some(now);
            }
            None => {}
        }
    }
}

impl Screen {
    fn new() -> Self {
        let lines = MultiProgress::new();
        let add = |template: &str| {
            let line = lines.add(ProgressBar::new(100));
            if let Ok(style) = ProgressStyle::with_template(template) {
                line.set_style(style.progress_chars("█▌░"));
            }
            line
        };
        Self {
            act: add("{wide_msg}"),
            traffic: add("  traffic   {prefix} {bar:30} {wide_msg}"),
            pods: add("  pods      {wide_msg}"),
            analysis: add("  measured  {wide_msg}"),
            requests: add("  requests  {wide_msg}"),
        }
    }

    fn draw(
        &self,
        elapsed: u64,
        now: &Changing,
        status: &RolloutStatus,
        total: &Snapshot,
        window: &Snapshot,
    ) {
        self.act
            .set_message(format!("[{elapsed:>4}s] {}: {}", now.act.title, said(status)));
        let measured = share(window, now.act.version);
        self.traffic.set_prefix(now.act.version);
        self.traffic
            .set_position(measured.map_or(0, |(canary, all)| canary * 100 / all));
        self.traffic.set_message(weights(now.weight, measured));
        self.pods.set_message(pods_text(&now.pods));
        self.analysis.set_message(measured_text(now).to_owned());
        self.requests.set_message(requests_text(total, window));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for line in [
            &self.act,
            &self.traffic,
            &self.pods,
            &self.analysis,
            &self.requests,
        ] {
            line.finish_and_clear();
        }
    }
}

fn line(elapsed: u64, now: &Changing, status: &RolloutStatus, total: &Snapshot, window: &Snapshot) -> String {
    format!(
        "[{elapsed:>4}s] {}: {} | {} {} | pods {} | {} | {}",
        now.act.title,
        said(status),
        now.act.version,
        weights(now.weight, share(window, now.act.version)),
        pods_text(&now.pods),
        measured_text(now),
        requests_text(total, window),
    )
}

fn said(status: &RolloutStatus) -> String {
    let step = status
        .current_step_index
        .map_or_else(String::new, |step| format!(", {step} steps done"));
    let message = if status.message.is_empty() {
        String::new()
    } else {
        format!(" ({})", status.message)
    };
    format!("{}{step}{message}", status.phase.as_str())
}

/// The answers of a version and of all; none before there are any.
fn share(window: &Snapshot, version: &str) -> Option<(u64, u64)> {
    let all = window.answers();
    (all > 0).then(|| (window.answers_of(version), all))
}

fn weights(requested: Option<u32>, measured: Option<(u64, u64)>) -> String {
    let requested = requested.map_or_else(|| String::from("-"), |percent| format!("{percent} %"));
    let measured = measured.map_or_else(
        || String::from("-"),
        |(part, all)| format!("{} %", tenths(part, all)),
    );
    format!("requested {requested}, measured {measured}")
}

/// The share in percent, with one decimal.
fn tenths(part: u64, all: u64) -> String {
    let tenths = part * 1000 / all.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// What the analysis of the canary has measured.
fn measured_text(now: &Changing) -> &str {
    now.measured.as_deref().unwrap_or("nothing measured yet")
}

fn pods_text(pods: &BTreeMap<String, Pods>) -> String {
    let one = |(version, pods): (&String, &Pods)| {
        let leaving = if pods.leaving > 0 {
            format!(" ({} leaving)", pods.leaving)
        } else {
            String::new()
        };
        format!("{version} {}/{} ready{leaving}", pods.ready, pods.all)
    };
    pods.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn requests_text(total: &Snapshot, window: &Snapshot) -> String {
    let milliseconds = window.elapsed.as_millis().max(1);
    let rate = u128::from(window.sent) * 1000 / milliseconds;
    format!(
        "{} sent, {} ok, {} failed, {rate}/s",
        total.sent,
        total.ok,
        total.failed_total()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_one_decimal() {
        assert_eq!(tenths(1, 3), "33.3");
        assert_eq!(tenths(3, 3), "100.0");
        assert_eq!(tenths(0, 0), "0.0");
    }

    #[test]
    fn leaving_pods_are_shown_apart() {
        let pods = BTreeMap::from([
            (
                "v1".to_owned(),
                Pods {
                    ready: 0,
                    all: 0,
                    leaving: 4,
                },
            ),
            (
                "v2".to_owned(),
                Pods {
                    ready: 4,
                    all: 4,
                    leaving: 0,
                },
            ),
        ]);
        assert_eq!(pods_text(&pods), "v1 0/0 ready (4 leaving), v2 4/4 ready");
    }

    #[test]
    fn nothing_measured_is_shown_as_nothing() {
        assert_eq!(weights(Some(10), None), "requested 10 %, measured -");
    }
}
