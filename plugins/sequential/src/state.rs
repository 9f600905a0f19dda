//! What is kept from one look to the next, as bytes.
//!
//! Floats are kept bit by bit: whoever goes on from here comes to exactly the same as who never stopped.

use kulta_plugin_sdk::{State, Timestamp};

use crate::counting::Gone;
use crate::statistics::comparison::{Comparison, Kind};
use crate::statistics::evidence::Evidence;
use crate::statistics::weights::WeightTruth;
use crate::statistics::{Batch, Counts};

/// The version of this form: of another one nothing is read.
const VERSION: u8 = 1;
/// The weight that stands for none.
const NO_WEIGHT: u64 = u64::MAX;

/// Everything that is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Of what it is: of a configuration and two versions.
    pub(crate) fingerprint: u64,
    /// When the latest look was.
    pub(crate) looked_at: Timestamp,
    /// Something could not be resolved: it never passes any more.
    pub(crate) is_in_doubt: bool,
    /// The weight in force at the latest batch.
    pub(crate) weight: Option<u32>,
    /// It was in force all along the latest batch.
    pub(crate) is_settled: bool,
    /// Counters that were there.
    pub(crate) gone: Gone,
    /// What was learnt.
    pub(crate) learnt: Learnt,
}

/// What was learnt, of what is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Learnt {
    /// Of bad events.
    Comparison(Comparison),
    /// Of the shares of the requests, with the numbers of requests.
    Weights(WeightTruth, Batch),
}

impl Memory {
    /// The bytes that KULTA keeps.
    pub(crate) fn encode(&self) -> State {
        let mut out = Writer(Vec::new());
        out.word(self.fingerprint);
        out.word(self.looked_at.milliseconds());
        out.word(u64::from(self.is_in_doubt));
        out.word(self.weight.map_or(NO_WEIGHT, u64::from));
        out.word(u64::from(self.is_settled));
        match &self.learnt {
            Learnt::Comparison(comparison) => out.comparison(comparison),
            Learnt::Weights(truth, total) => {
                out.numbers(&truth.shares);
                out.numbers(&truth.dirichlet);
                out.numbers(&[truth.log_factor, truth.largest]);
                out.batch(total);
            }
        }
        out.word(u64::from(self.gone.overflowed));
        for (key, value) in &self.gone.counters {
            out.word(*key);
            out.numbers(&[*value]);
        }
        State::new(VERSION, out.0)
    }

    /// Takes over what was kept, into what is as at the beginning. None where it is not of the same configuration and
    /// versions, or spoilt: then this is as good as nothing.
    pub(crate) fn take_over(&mut self, state: &State) -> Option<()> {
        let mut bytes = Reader(state.of_version(VERSION)?);
        if bytes.word()? != self.fingerprint {
            return None;
        }
        self.looked_at = Timestamp::from_milliseconds(bytes.word()?);
        self.is_in_doubt = bytes.word()? != 0;
        self.weight = u32::try_from(bytes.word()?).ok();
        self.is_settled = bytes.word()? != 0;
        match &mut self.learnt {
            Learnt::Comparison(comparison) => bytes.comparison(comparison)?,
            Learnt::Weights(truth, total) => {
                bytes.numbers(&mut truth.shares)?;
                bytes.numbers(&mut truth.dirichlet)?;
                truth.log_factor = bytes.number()?;
                truth.largest = bytes.number()?;
                *total = bytes.batch()?;
            }
        }
        self.gone.overflowed = bytes.word()? != 0;
        while !bytes.0.is_empty() {
            self.gone.counters.push((bytes.word()?, bytes.number()?));
        }
        Some(())
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn word(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    fn numbers(&mut self, numbers: &[f64]) {
        for number in numbers {
            self.word(number.to_bits());
        }
    }

    fn batch(&mut self, batch: &Batch) {
        for side in [batch.canary, batch.stable] {
            self.numbers(&[side.requests, side.bad]);
        }
    }

    fn comparison(&mut self, comparison: &Comparison) {
        self.numbers(&[comparison.largest_fail, comparison.largest_pass]);
        for kind in &comparison.kinds {
            for evidence in [&kind.fail, &kind.pass] {
                self.word(u64::from(evidence.steps));
                self.numbers(&evidence.log_masses);
            }
            self.numbers(&kind.likelihood.0);
            self.batch(&kind.total);
        }
    }
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn number(&mut self) -> Option<f64> {
        self.word().map(f64::from_bits)
    }

    fn numbers(&mut self, numbers: &mut [f64]) -> Option<()> {
        for number in numbers {
            *number = self.number()?;
        }
        Some(())
    }

    fn batch(&mut self) -> Option<Batch> {
        let mut side = || {
            Some(Counts {
                requests: self.number()?,
                bad: self.number()?,
            })
        };
        Some(Batch {
            canary: side()?,
            stable: side()?,
        })
    }

    fn evidence(&mut self, evidence: &mut Evidence) -> Option<()> {
        evidence.steps = u32::try_from(self.word()?).ok()?;
        self.numbers(&mut evidence.log_masses)
    }

    fn kind(&mut self, kind: &mut Kind) -> Option<()> {
        self.evidence(&mut kind.fail)?;
        self.evidence(&mut kind.pass)?;
        self.numbers(&mut kind.likelihood.0)?;
        kind.total = self.batch()?;
        Some(())
    }

    fn comparison(&mut self, comparison: &mut Comparison) -> Option<()> {
        comparison.largest_fail = self.number()?;
        comparison.largest_pass = self.number()?;
        comparison.kinds.iter_mut().try_for_each(|kind| self.kind(kind))
    }
}
