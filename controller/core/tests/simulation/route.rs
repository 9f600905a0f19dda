//! Routes, the gateways that report on them, and the data planes behind the gateways.

use kulta_core::observed::{BackendView, ParentReport, RouteView, RuleView, Verdict};
use kulta_core::plan::{BackendChange, LabelChange, RuleChange};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::cluster::NAMESPACE;

/// Once a gateway has accepted a generation, its data plane follows within so many ticks.
const PROGRAMMED_AFTER_ACCEPTANCE: u64 = 2;

/// Who wrote the weights of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// The controller under test.
    Controller,
    /// Anybody else.
    Foreign,
}

/// One generation of a route.
#[derive(Debug, Clone)]
struct Generation {
    number: i64,
    written: u64,
    author: Author,
    backends: Vec<BackendView>,
    /// What the rules have besides their backendRefs.
    rules: Vec<Map<String, Value>>,
}

/// What a gateway says of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It accepts each generation after so many ticks.
    Accepts(u64),
    /// It rejects each generation after so many ticks, and serves what it had.
    Rejects(u64),
    /// It says nothing, and serves nothing.
    Silent,
}

/// A parent of a route: a gateway with its data plane.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) answer: Answer,
    /// Ticks until the data plane serves a new generation that was not accepted before.
    pub(crate) route_lag: u64,
    /// Ticks until the data plane knows of other endpoints. At most `route_lag`: gateways keep the order of changes.
    pub(crate) endpoint_lag: u64,
    /// Generation, and since when it is accepted (or rejected).
    reported: Option<(i64, u64)>,
    /// Position of the generation that the data plane serves.
    serves: usize,
}

impl Gateway {
    /// A gateway that accepts and serves at once.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            answer: Answer::Accepts(0),
            route_lag: 0,
            endpoint_lag: 0,
            reported: None,
            serves: 0,
        }
    }
}

/// An `HTTPRoute`.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    generations: Vec<Generation>,
    pub(crate) gateways: Vec<Gateway>,
    /// Reports of parents that the route no longer names.
    pub(crate) leftovers: Vec<ParentReport>,
    pub(crate) rules_manager: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// How often they were written.
    label_writes: u32,
    pub(crate) exists: bool,
}

impl Route {
    /// A route as its user first wrote it.
    pub(crate) fn new(backends: Vec<BackendView>, gateways: Vec<Gateway>) -> Self {
        let last = backends.iter().map(|backend| backend.rule).max();
        let first = Generation {
            number: 1,
            written: 0,
            author: Author::Foreign,
            backends,
            rules: (0..=last.unwrap_or(0)).map(rule).collect(),
        };
        Self {
            generations: vec![first],
            gateways,
            leftovers: Vec::new(),
            rules_manager: Some("kubectl".to_owned()),
            labels: BTreeMap::new(),
            label_writes: 0,
            exists: true,
        }
    }

    fn latest(&self) -> &Generation {
        &self.generations[self.generations.len() - 1]
    }

    /// `metadata.generation`.
    pub(crate) fn generation(&self) -> i64 {
        self.latest().number
    }

    /// The refs as written.
    pub(crate) fn backends(&self) -> &[BackendView] {
        &self.latest().backends
    }

    /// Writes the spec again.
    pub(crate) fn write(&mut self, tick: u64, author: Author, backends: Vec<BackendView>) {
        let rules = self.latest().rules.clone();
        self.write_all(tick, author, backends, rules);
    }

    fn write_all(
        &mut self,
        tick: u64,
        author: Author,
        backends: Vec<BackendView>,
        rules: Vec<Map<String, Value>>,
    ) {
        let number = self.generation() + 1;
        self.generations.push(Generation {
            number,
            written: tick,
            author,
            backends,
            rules,
        });
    }

    /// Writes the weights of `backends`, and then changes rules: the reason why not, if that can't be.
    pub(crate) fn change(
        &mut self,
        tick: u64,
        mut backends: Vec<BackendView>,
        changes: &[RuleChange],
    ) -> Result<(), &'static str> {
        let mut rules = self.latest().rules.clone();
        for change in changes {
            match change {
                RuleChange::Add { index, rule } => {
                    if *index > rules.len() {
                        return Err("no such place for a rule");
                    }
                    for backend in backends.iter_mut().filter(|backend| backend.rule >= *index) {
                        backend.rule += 1;
                    }
                    rules.insert(*index, rest_of(rule));
                    backends.extend(backends_of(rule, *index));
                }
                RuleChange::Replace { index, name, rule } => {
                    called(&rules, *index, name)?;
                    backends.retain(|backend| backend.rule != *index);
                    rules[*index] = rest_of(rule);
                    backends.extend(backends_of(rule, *index));
                }
                RuleChange::Remove { index, name } => {
                    called(&rules, *index, name)?;
                    rules.remove(*index);
                    backends.retain(|backend| backend.rule != *index);
                    for backend in backends.iter_mut().filter(|backend| backend.rule > *index) {
                        backend.rule -= 1;
                    }
                }
            }
        }
        backends.sort_by_key(|backend| (backend.rule, backend.index));
        if backends != self.backends() || rules != self.latest().rules {
            self.write_all(tick, Author::Controller, backends, rules);
        }
        Ok(())
    }

    fn resource_version(&self) -> String {
        format!("{}.{}", self.generation(), self.label_writes)
    }

    /// Changes a label: the reason why not, if that can't be.
    pub(crate) fn relabel(&mut self, change: Option<&LabelChange>) -> Result<(), &'static str> {
        match change {
            None => return Ok(()),
            Some(LabelChange::Set { label, first }) => {
                let version = self.resource_version();
                let is_first = self.labels.is_empty();
                if is_first != first.is_some() || first.as_ref().is_some_and(|first| *first != version) {
                    return Err("the labels have changed");
                }
                self.labels.insert(label.key.clone(), label.value.clone());
            }
            Some(LabelChange::Remove(label)) => {
                if self.labels.get(&label.key) != Some(&label.value) {
                    return Err("the label has changed");
                }
                self.labels.remove(&label.key);
            }
        }
        self.label_writes += 1;
        Ok(())
    }

    /// The rules, with their backendRefs.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let rules = self.latest().rules.iter().enumerate();
        rules
            .map(|(index, rest)| {
                let backends = self.backends().iter().filter(|backend| backend.rule == index);
                let mut whole = rest.clone();
                whole.insert("backendRefs".to_owned(), backends.map(written).collect());
                whole.into()
            })
            .collect()
    }

    /// The names of the rules that have one.
    pub(crate) fn rule_names(&self) -> Vec<&str> {
        let rules = self.latest().rules.iter();
        rules.filter_map(|rule| rule.get("name")?.as_str()).collect()
    }

    /// Somebody changes one rule, backendRefs excepted.
    pub(crate) fn edit_rule(
        &mut self,
        tick: u64,
        index: usize,
        change: impl FnOnce(&mut Map<String, Value>),
    ) {
        let mut rules = self.latest().rules.clone();
        change(&mut rules[index]);
        let backends = self.backends().to_vec();
        self.write_all(tick, Author::Foreign, backends, rules);
        self.rules_manager = Some("kubectl-edit".to_owned());
    }

    /// A GitOps manager applies the route as it was first written, without weights.
    pub(crate) fn apply_first(&mut self, tick: u64, manager: &str) {
        let Generation { backends, rules, .. } = self.generations[0].clone();
        let backends = backends.into_iter().map(|backend| BackendView {
            weight: None,
            ..backend
        });
        let backends: Vec<_> = backends.collect();
        if backends != self.backends() || rules != self.latest().rules {
            self.write_all(tick, Author::Foreign, backends, rules);
            self.rules_manager = Some(manager.to_owned());
        }
    }

    /// Writes the spec again without touching who is to be held responsible for its weights.
    pub(crate) fn edit(&mut self, tick: u64, backends: Vec<BackendView>) {
        let author = self.latest().author;
        self.write(tick, author, backends);
    }

    /// Deletes the route and writes it again as its user first did, without weights; the gateways stay.
    pub(crate) fn create_again(&mut self) {
        let mut backends = self.generations[0].backends.clone();
        for backend in &mut backends {
            backend.weight = None;
        }
        let mut gateways = std::mem::take(&mut self.gateways);
        for gateway in &mut gateways {
            (gateway.reported, gateway.serves) = (None, 0);
        }
        *self = Self::new(backends, gateways);
    }

    /// Moves the route to other gateways of the same kind; what the old ones reported is left over for a while.
    pub(crate) fn replace_parents(&mut self, tick: u64) {
        self.leftovers = self.gateways.iter().filter_map(Gateway::report).collect();
        self.edit(tick, self.backends().to_vec());
        for gateway in &mut self.gateways {
            gateway.name.push_str("-next");
            (gateway.reported, gateway.serves) = (None, self.generations.len() - 1);
        }
    }

    /// Lets one tick pass for the gateways. Returns whether a report changed.
    pub(crate) fn step(&mut self, tick: u64) -> bool {
        let Self {
            generations,
            gateways,
            ..
        } = self;
        let mut changed = false;
        for gateway in gateways {
            let latest = &generations[generations.len() - 1];
            let delay = match gateway.answer {
                Answer::Accepts(ticks) | Answer::Rejects(ticks) => Some(ticks),
                Answer::Silent => None,
            };
            let news = gateway.reported.is_none_or(|(number, _)| number != latest.number);
            if news && delay.is_some_and(|ticks| tick >= latest.written + ticks) {
                gateway.reported = Some((latest.number, tick));
                changed = true;
            }
            if !matches!(gateway.answer, Answer::Rejects(_)) {
                gateway.serve(generations, tick);
            }
        }
        changed
    }

    /// What each data plane serves: gateway, who wrote the weights, and the refs.
    pub(crate) fn served(&self) -> impl Iterator<Item = (&Gateway, Author, &[BackendView])> {
        self.gateways
            .iter()
            .filter(|gateway| matches!(gateway.answer, Answer::Accepts(_)))
            .map(|gateway| {
                let generation = &self.generations[gateway.serves];
                (gateway, generation.author, generation.backends.as_slice())
            })
    }

    fn rule_views(&self) -> Vec<RuleView> {
        let seen = self
            .rules()
            .into_iter()
            .enumerate()
            .map(|(index, rule)| RuleView {
                index,
                name: rule["name"].as_str().map(str::to_owned),
                body: rule.to_string().into(),
            });
        seen.collect()
    }

    /// What the controller sees of it.
    pub(crate) fn view(&self) -> RouteView {
        let reports = self.gateways.iter().filter_map(Gateway::report);
        RouteView {
            generation: self.generation(),
            resource_version: self.resource_version(),
            labels: self.labels.clone(),
            backends: self.backends().to_vec(),
            rules: self.rule_views(),
            parents: self.gateways.iter().map(|gateway| gateway.name.clone()).collect(),
            reports: reports.chain(self.leftovers.iter().cloned()).collect(),
            rules_manager: self.rules_manager.clone(),
        }
    }
}

impl Gateway {
    fn serve(&mut self, generations: &[Generation], tick: u64) {
        for (position, generation) in generations.iter().enumerate().skip(self.serves + 1) {
            let accepted = self.reported.filter(|(number, _)| *number >= generation.number);
            let programmed = accepted.is_some_and(|(_, since)| tick >= since + PROGRAMMED_AFTER_ACCEPTANCE);
            if programmed || tick >= generation.written + self.route_lag {
                self.serves = position;
            }
        }
    }

    /// What its controller has written into the route's status.
    pub(crate) fn report(&self) -> Option<ParentReport> {
        let (observed_generation, _) = self.reported?;
        let holds = matches!(self.answer, Answer::Accepts(_));
        let message = if holds {
            "Accepted"
        } else {
            "NotAllowedByListeners"
        }
        .to_owned();
        Some(ParentReport {
            parent: self.name.clone(),
            accepted: Some(Verdict {
                holds,
                observed_generation,
                message,
            }),
            resolved_refs: Some(Verdict {
                holds: true,
                observed_generation,
                message: String::new(),
            }),
        })
    }
}

/// Takes a ref out of a rule, or puts one in: the reason why not, if that can't be.
pub(crate) fn change_backends(
    backends: &mut Vec<BackendView>,
    change: &BackendChange,
) -> Result<(), &'static str> {
    match change {
        BackendChange::Remove { rule, index, name } => {
            let place = backends
                .iter()
                .position(|other| (other.rule, other.index) == (*rule, *index) && other.name == *name);
            backends.remove(place.ok_or("the backendRef has changed")?);
            let behind = backends.iter_mut();
            for backend in behind.filter(|other| other.rule == *rule && other.index > *index) {
                backend.index -= 1;
            }
        }
        BackendChange::Add { rule, name, port } => {
            let of_rule = backends.iter().filter(|other| other.rule == *rule);
            backends.push(BackendView {
                rule: *rule,
                index: of_rule.count(),
                is_service: true,
                namespace: NAMESPACE.to_owned(),
                name: name.clone(),
                port: Some(*port),
                weight: Some(0),
            });
        }
    }
    Ok(())
}

/// A rule as its user first wrote it.
fn rule(number: usize) -> Map<String, Value> {
    let path = json!({"type": "PathPrefix", "value": format!("/{number}")});
    Map::from_iter([("matches".to_owned(), json!([{"path": path}]))])
}

fn rest_of(rule: &Value) -> Map<String, Value> {
    let mut rest = rule.as_object().cloned().expect("a rule");
    rest.remove("backendRefs");
    rest
}

fn called(rules: &[Map<String, Value>], index: usize, name: &str) -> Result<(), &'static str> {
    let found = rules.get(index).and_then(|rule| rule.get("name")?.as_str());
    if found == Some(name) {
        Ok(())
    } else {
        Err("the rule has changed")
    }
}

fn written(backend: &BackendView) -> Value {
    let mut written = json!({
        "group": "", "kind": "Service", "name": backend.name, "namespace": backend.namespace, "port": backend.port,
    });
    if let Some(weight) = backend.weight {
        written["weight"] = weight.into();
    }
    written
}

fn backends_of(rule: &Value, index: usize) -> Vec<BackendView> {
    let refs = rule["backendRefs"].as_array().expect("backendRefs").iter();
    let number = |value: &Value| value.as_u64().map(|number| u32::try_from(number).expect("small"));
    refs.enumerate()
        .map(|(position, written)| BackendView {
            rule: index,
            index: position,
            is_service: written["kind"] == "Service",
            namespace: written["namespace"].as_str().unwrap_or(NAMESPACE).to_owned(),
            name: written["name"].as_str().expect("a name").to_owned(),
            port: number(&written["port"]).map(|port| u16::try_from(port).expect("a port")),
            weight: number(&written["weight"]),
        })
        .collect()
}
