//! Answers in few words. Their samples are at the time 0.

use crate::{Answer, Data, Label, Sample, Series, Timestamp};

/// One number.
#[must_use]
pub fn scalar(value: f64) -> Answer {
    answer(Data::Scalar(sample(value)))
}

/// An instant vector of these values, without labels.
#[must_use]
pub fn vector(values: &[f64]) -> Answer {
    let one = |value: &f64| series(&[], &[*value]);
    answer(Data::Vector(values.iter().map(one).collect()))
}

/// A range vector.
#[must_use]
pub fn matrix(series: Vec<Series>) -> Answer {
    answer(Data::Matrix(series))
}

/// One series of a range vector: its labels and its values.
#[must_use]
pub fn series(labels: &[(&str, &str)], values: &[f64]) -> Series {
    let label = |(name, value): &(&str, &str)| Label::new(name, value);
    Series {
        labels: labels.iter().map(label).collect(),
        samples: values.iter().copied().map(sample).collect(),
    }
}

/// A text.
#[must_use]
pub fn text(text: &str) -> Answer {
    answer(Data::Text(text.to_owned()))
}

/// The same answer with one more warning.
#[must_use]
pub fn warned(mut answer: Answer, warning: &str) -> Answer {
    answer.warnings.push(warning.to_owned());
    answer
}

const fn answer(data: Data) -> Answer {
    Answer {
        data,
        warnings: Vec::new(),
    }
}

const fn sample(value: f64) -> Sample {
    Sample {
        at: Timestamp::from_milliseconds(0),
        value,
    }
}
