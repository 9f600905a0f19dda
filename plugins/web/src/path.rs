//! `JSONPath` as kubectl has it, and with it Argo Rollouts: `{$.items[0].value}`, `{.a['b']}`, `{..name}`,
//! `{$.pods[?(@.ready==true)].name}`.
//!
//! Not a crate: those for RFC 9535 bring regular expressions, which are more than all the rest of a plugin, and do not know
//! what this dialect has of its own (braces, `\.` in names). What of kubectl's is missing (`range`, several paths in one
//! text) gives no single value.

mod filter;
mod parse;

use self::filter::Filter;
use crate::json::{Json, Kind};

/// A path that can be followed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path(Vec<Step>);

/// From values to those in them.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// Of an object the fields of these names.
    Names(Vec<String>),
    /// Of a list those at these places; negative: from the end.
    Places(Vec<i64>),
    /// Of a list those from one place to before another.
    Slice(Slice),
    /// All of a list or an object.
    Every,
    /// The value itself, and all in it, however deep.
    Deep,
    /// Of a list those that fit.
    Filter(Filter),
}

/// `[start:end:step]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    step: usize,
}

impl Path {
    /// Whether it leads to the whole document.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value that it leads to. (Argo Rollouts takes no other either.)
    ///
    /// # Errors
    /// Which step leads to nothing.
    pub(crate) fn first<'v, 't>(&self, document: &'v Json<'t>) -> Result<&'v Json<'t>, String> {
        let found = self.follow(document, document)?;
        found
            .first()
            .copied()
            .ok_or_else(|| "it produced no value".to_owned())
    }

    /// Everything that it leads to from `start`, in a document.
    fn follow<'v, 't>(
        &self,
        start: &'v Json<'t>,
        document: &'v Json<'t>,
    ) -> Result<Vec<&'v Json<'t>>, String> {
        let mut found = vec![start];
        for step in &self.0 {
            let mut next = Vec::new();
            for value in found {
                step.take(value, document, &mut next)?;
            }
            if next.is_empty() {
                return Err(step.found_nothing());
            }
            found = next;
        }
        Ok(found)
    }
}

impl Step {
    fn take<'v, 't>(
        &self,
        value: &'v Json<'t>,
        document: &'v Json<'t>,
        found: &mut Vec<&'v Json<'t>>,
    ) -> Result<(), String> {
        match (self, &value.kind) {
            (Self::Names(names), _) => found.extend(names.iter().filter_map(|name| value.field(name))),
            (Self::Places(places), Kind::List(list)) => {
                let places = places.iter().filter_map(|place| at(list.len(), *place));
                found.extend(places.filter_map(|place| list.get(place)));
            }
            (Self::Slice(slice), Kind::List(list)) => {
                let (start, end) = slice.bounds(list.len());
                let taken = list.iter().take(end).skip(start);
                found.extend(taken.step_by(slice.step));
            }
            (Self::Every, Kind::List(list)) => found.extend(list),
            (Self::Every, Kind::Object(fields)) => found.extend(fields.iter().map(|(_, field)| field)),
            (Self::Deep, _) => deep(value, found),
            (Self::Filter(filter), Kind::List(list)) => {
                for entry in list {
                    if filter.fits(entry, document)? {
                        found.push(entry);
                    }
                }
            }
            (Self::Places(_) | Self::Slice(_) | Self::Every | Self::Filter(_), _) => {}
        }
        Ok(())
    }

    fn found_nothing(&self) -> String {
        match self {
            Self::Names(names) => format!("{} is not found", names.join(", ")),
            Self::Places(places) => {
                let places: Vec<_> = places.iter().map(|place| format!("[{place}]")).collect();
                format!("there is no {} of a list", places.join(""))
            }
            Self::Slice(_) | Self::Every | Self::Deep => "there is nothing in it".to_owned(),
            Self::Filter(_) => "nothing in it fits the filter".to_owned(),
        }
    }
}

impl Slice {
    /// The place of the first, and that behind the last.
    fn bounds(self, length: usize) -> (usize, usize) {
        let place = |written: i64| {
            let place = usize::try_from(written.unsigned_abs()).unwrap_or(usize::MAX);
            if written < 0 {
                length.saturating_sub(place)
            } else {
                place.min(length)
            }
        };
        (self.start.map_or(0, place), self.end.map_or(length, place))
    }
}

/// The place in a list that is written so.
fn at(length: usize, written: i64) -> Option<usize> {
    let place = usize::try_from(written.unsigned_abs()).ok()?;
    if written < 0 {
        length.checked_sub(place)
    } else {
        Some(place)
    }
}

fn deep<'v, 't>(value: &'v Json<'t>, found: &mut Vec<&'v Json<'t>>) {
    found.push(value);
    match &value.kind {
        Kind::List(list) => list.iter().for_each(|entry| deep(entry, found)),
        Kind::Object(fields) => fields.iter().for_each(|(_, field)| deep(field, found)),
        Kind::Scalar(_) => {}
    }
}
