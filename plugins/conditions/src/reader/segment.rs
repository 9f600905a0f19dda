//! What stands on both sides of an operator.

use crate::Refusal;
use crate::kind::Kind;
use crate::token::{Token, What};

/// Comparisons bind less closely than calculations, and more closely than `and`.
pub(super) const CLOSENESS_OF_COMPARISONS: u8 = 20;

/// How closely an operator binds, as in Go: 0 where `token` is none that stands between two operands.
pub(super) fn closeness(token: Token<'_>) -> u8 {
    if !matches!(token.what, What::Name | What::Sign) {
        return 0;
    }
    match token.text {
        "or" | "||" => 10,
        "and" | "&&" => 15,
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "not" | "in" | "contains" | "startsWith" | "endsWith"
        | "matches" => CLOSENESS_OF_COMPARISONS,
        ".." => 25,
        "+" | "-" => 30,
        "*" | "/" | "%" => 60,
        "^" | "**" => 100,
        _ => 0,
    }
}

/// Operands that arithmetic makes one of.
#[derive(Debug, Default)]
struct Segment {
    operands: Vec<Kind>,
    arithmetic: Arithmetic,
}

/// What is done with the operands of a segment. Of several, the last of this list tells what comes out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Arithmetic {
    #[default]
    None,
    /// Texts are added as numbers are.
    Sum,
    Number,
    Range,
    Negation,
}

impl Segment {
    fn kind(&self) -> Kind {
        match (self.arithmetic, self.operands.as_slice()) {
            (Arithmetic::Negation, _) => Kind::Bool,
            (Arithmetic::Range, _) => Kind::Numbers,
            (Arithmetic::Number, _) => Kind::Number,
            (Arithmetic::Sum, operands) => {
                let first_known = operands.iter().find(|kind| **kind != Kind::Unknown);
                first_known.copied().unwrap_or(Kind::Unknown)
            }
            (Arithmetic::None, [only]) => *only,
            (Arithmetic::None, _) => Kind::Unknown,
        }
    }

    fn is_subject_to(&mut self, arithmetic: Arithmetic) {
        self.arithmetic = self.arithmetic.max(arithmetic);
    }
}

/// The operands between two brackets, as they come.
#[derive(Debug, Default)]
pub(super) struct Segments {
    current: Segment,
    /// A comparison whose right side is being read.
    comparison: Option<(String, Kind)>,
    /// It is more than one segment: none that a kind can be told of.
    is_mixed: bool,
    is_logical: bool,
    parts: Vec<Kind>,
}

impl Segments {
    pub(super) fn operand(&mut self, kind: Kind) {
        self.current.operands.push(kind);
    }

    /// Whether `token` is an operator or a word of the language, which is then taken note of.
    pub(super) fn operator(&mut self, token: Token<'_>) -> Result<bool, Refusal> {
        if !matches!(token.what, What::Name | What::Sign) {
            return Ok(false);
        }
        match token.text {
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "contains" | "startsWith" | "endsWith"
            | "matches" => self.compare(token.text)?,
            "and" | "or" | "&&" | "||" => {
                self.finish()?;
                self.is_logical = true;
            }
            // Else it is the first half of `not in`.
            "not" | "!" if self.current.operands.is_empty() => {
                self.current.is_subject_to(Arithmetic::Negation);
            }
            "not" => {}
            "+" if self.current.operands.is_empty() => {}
            "+" => self.current.is_subject_to(Arithmetic::Sum),
            "-" | "*" | "/" | "%" | "^" | "**" => self.current.is_subject_to(Arithmetic::Number),
            ".." => self.current.is_subject_to(Arithmetic::Range),
            "," => {
                let kind = self.part()?;
                self.parts.push(kind);
            }
            "?" | ":" | "|" | ";" | "=" | "if" | "else" | "??" => self.boundary()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Begins anew: what was before has been compared.
    pub(super) fn boundary(&mut self) -> Result<(), Refusal> {
        self.finish()?;
        self.is_mixed = true;
        Ok(())
    }

    /// What it is as a whole, and what is between its commas.
    pub(super) fn end(mut self) -> Result<(Kind, Vec<Kind>), Refusal> {
        let is_empty = self.current.operands.is_empty() && self.parts.is_empty();
        let kind = self.part()?;
        if !is_empty {
            self.parts.push(kind);
        }
        Ok((kind, self.parts))
    }

    fn part(&mut self) -> Result<Kind, Refusal> {
        let kind = self.finish()?;
        let kind = match (self.is_mixed, self.is_logical) {
            (true, _) => Kind::Unknown,
            (false, true) => Kind::Bool,
            (false, false) => kind,
        };
        self.is_mixed = false;
        self.is_logical = false;
        Ok(kind)
    }

    fn compare(&mut self, operator: &str) -> Result<(), Refusal> {
        let left = self.finish()?;
        self.comparison = Some((operator.to_owned(), left));
        Ok(())
    }

    /// Ends the segment, and the comparison that it is the right side of.
    fn finish(&mut self) -> Result<Kind, Refusal> {
        let right = std::mem::take(&mut self.current).kind();
        let Some((operator, left)) = self.comparison.take() else {
            return Ok(right);
        };
        let can_be = match operator.as_str() {
            "==" | "!=" => left.fits(right),
            "in" => left.fits(right.element()),
            "contains" => !left.is_list(),
            // Go tells these when it evaluates, and so does `expr-lang`.
            _ => true,
        };
        if can_be {
            return Ok(Kind::Bool);
        }
        let (left, right) = (left.name(), right.name());
        Err(Refusal::new(format!(
            "invalid operation: {operator} (mismatched types: {left} and {right})"
        )))
    }
}
