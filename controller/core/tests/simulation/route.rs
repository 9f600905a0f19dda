//! Routes, the gateways that report on them, and the data planes behind the gateways.

use kulta_core::observed::{BackendView, ParentReport, RouteView, Verdict};

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
    pub(crate) exists: bool,
}

impl Route {
    /// A route as its user first wrote it.
    pub(crate) fn new(backends: Vec<BackendView>, gateways: Vec<Gateway>) -> Self {
        let first = Generation {
            number: 1,
            written: 0,
            author: Author::Foreign,
            backends,
        };
        Self {
            generations: vec![first],
            gateways,
            leftovers: Vec::new(),
            rules_manager: Some("kubectl".to_owned()),
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
        let number = self.generation() + 1;
        self.generations.push(Generation {
            number,
            written: tick,
            author,
            backends,
        });
    }

    /// Writes the spec again without touching who is to be held responsible for its weights.
    pub(crate) fn edit(&mut self, tick: u64, backends: Vec<BackendView>) {
        let author = self.latest().author;
        self.write(tick, author, backends);
    }

    /// Deletes the route and writes it again as its user first did; the gateways stay.
    pub(crate) fn create_again(&mut self, backends: Vec<BackendView>) {
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

    /// What the controller sees of it.
    pub(crate) fn view(&self) -> RouteView {
        let reports = self.gateways.iter().filter_map(Gateway::report);
        RouteView {
            generation: self.generation(),
            backends: self.backends().to_vec(),
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
