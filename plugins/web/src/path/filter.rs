//! `[?(@.ready == true)]`: which entries of a list fit.

use std::cmp::Ordering;

use super::Path;
use crate::json::{Json, Kind, Scalar};

/// What an entry has to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    pub(super) left: Operand,
    /// None: it is enough that the left one is there.
    pub(super) right: Option<(Comparison, Operand)>,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    /// What a path from the entry leads to.
    Entry(Path),
    /// What a path from the whole document leads to.
    Document(Path),
    /// This value.
    Literal(Scalar),
}

/// How two values have to be to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Whether an entry of a document fits.
    pub(super) fn fits(&self, entry: &Json<'_>, document: &Json<'_>) -> Result<bool, String> {
        let left = self.left.value(entry, document)?;
        let Some((comparison, right)) = &self.right else {
            return Ok(left.is_some());
        };
        let right = right.value(entry, document)?;
        Ok(match (left, right) {
            (Some(left), Some(right)) => comparison.holds(left, right),
            _ => false,
        })
    }
}

/// What an operand leads to.
#[derive(Clone, Copy)]
enum Found<'v> {
    Scalar(&'v Scalar),
    /// A list or an object, which is equal to nothing.
    Other,
}

impl Operand {
    /// None: it leads to nothing.
    fn value<'v>(&'v self, entry: &'v Json<'_>, document: &'v Json<'_>) -> Result<Option<Found<'v>>, String> {
        let (path, start) = match self {
            Self::Literal(value) => return Ok(Some(Found::Scalar(value))),
            Self::Entry(path) => (path, entry),
            Self::Document(path) => (path, document),
        };
        match path.follow(start, document).as_deref() {
            Ok([value]) => Ok(Some(match &value.kind {
                Kind::Scalar(scalar) => Found::Scalar(scalar),
                Kind::List(_) | Kind::Object(_) => Found::Other,
            })),
            Ok(_) => Err("a filter can only compare one value at a time".to_owned()),
            Err(_nothing) => Ok(None),
        }
    }
}

impl Comparison {
    fn holds(self, left: Found<'_>, right: Found<'_>) -> bool {
        let order = match (left, right) {
            (Found::Scalar(left), Found::Scalar(right)) => order(left, right),
            _ => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// None: they are different, and neither comes first.
fn order(left: &Scalar, right: &Scalar) -> Option<Ordering> {
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
        (Scalar::Number(left), Scalar::Number(right)) => left.partial_cmp(right),
        _ => (left == right).then_some(Ordering::Equal),
    }
}
