//! One operand, with everything that is accessed of it.

use crate::Refusal;
use crate::functions::{self, INDEX, OPTIONAL_INDEX};
use crate::kind::Kind;
use crate::token::{Token, What};

use super::Reader;

/// A part of a condition that an operator takes as one.
pub(super) struct Operand {
    pub(super) text: String,
    pub(super) kind: Kind,
    /// It has a default.
    pub(super) has_default: bool,
}

impl Operand {
    fn new(text: impl Into<String>, kind: Kind) -> Self {
        let text = text.into();
        Self {
            text,
            kind,
            has_default: false,
        }
    }
}

impl Reader<'_, '_> {
    /// An operand with its defaults, which bind closer than every other operator.
    pub(super) fn operand(&mut self) -> Result<Operand, Refusal> {
        let mut operand = self.chain()?;
        while self.is_sign("??") {
            self.position += 1;
            let is_negative = self.is_sign("-");
            self.position += usize::from(is_negative);
            let sign = if is_negative { "-" } else { "" };
            let default = self.chain()?;
            let kind = if operand.kind == default.kind {
                operand.kind
            } else {
                Kind::Unknown
            };
            let text = format!("({} ?? ({sign}{}))", operand.text, default.text);
            operand = Operand {
                text,
                kind,
                has_default: true,
            };
        }
        Ok(operand)
    }

    /// A value, and what is accessed of it.
    fn chain(&mut self) -> Result<Operand, Refusal> {
        let mut operand = self.value()?;
        loop {
            let sign = self.peek();
            if sign.what != What::Sign {
                return Ok(operand);
            }
            operand = match (sign.text, self.ahead(1).what) {
                (".", What::Name) => {
                    self.position += 1;
                    let name = self.member()?;
                    Operand::new(format!("{}.{name}", operand.text), Kind::Unknown)
                }
                ("?.", What::Name) => {
                    self.position += 1;
                    let name = self.member()?;
                    let text = format!("{OPTIONAL_INDEX}({}, \"{name}\")", operand.text);
                    Operand::new(text, Kind::Unknown)
                }
                ("?.", _) if self.ahead(1).text == "[" => {
                    self.position += 1;
                    self.index(&operand, OPTIONAL_INDEX)?
                }
                ("[", _) => self.index(&operand, INDEX)?,
                _ => return Ok(operand),
            };
        }
    }

    /// The name behind a point.
    fn member(&mut self) -> Result<String, Refusal> {
        let name = self.next().text;
        if self.is_sign("(") {
            return Err(Refusal::new(format!("there is no method {name}")));
        }
        Ok(name.to_owned())
    }

    /// An index or a slice. Slices that are out of range are short, in Go, too; an index is an error.
    fn index(&mut self, of: &Operand, function: &str) -> Result<Operand, Refusal> {
        self.position += 1;
        let inner = self.sequence("]")?;
        if inner.is_slice {
            return Ok(Operand::new(format!("{}[{}]", of.text, inner.text), of.kind));
        }
        let text = format!("{function}({}, {})", of.text, inner.text);
        Ok(Operand::new(text, of.kind.element()))
    }

    fn value(&mut self) -> Result<Operand, Refusal> {
        let token = self.next();
        match (token.what, token.text) {
            (What::Literal(kind), text) => Ok(Operand::new(text, kind)),
            (What::Name, _) if self.is_sign("(") => self.call(token),
            (What::Name, name) => self.name(token).map(|kind| Operand::new(name, kind)),
            (What::Sign, "(") => {
                let inner = self.sequence(")")?;
                Ok(Operand::new(format!("({})", inner.text), inner.kind))
            }
            (What::Sign, "[") => {
                let inner = self.sequence("]")?;
                Ok(Operand::new(
                    format!("[{}]", inner.text),
                    Kind::list_of(&inner.parts),
                ))
            }
            (What::Sign, "{") => {
                let inner = self.sequence("}")?;
                Ok(Operand::new(format!("{{{}}}", inner.text), Kind::Unknown))
            }
            // A field of what a predicate is asked of.
            (What::Sign, ".") if self.peek().what == What::Name => {
                let name = self.member()?;
                Ok(Operand::new(format!("#.{name}"), Kind::Unknown))
            }
            (What::End, _) => Err(Refusal::new("the condition ends where a value is missing")),
            (What::Sign, text) => Err(Refusal::new(format!(
                "unexpected {text:?} at character {}",
                token.at
            ))),
        }
    }

    fn call(&mut self, function: Token<'_>) -> Result<Operand, Refusal> {
        let name = function.text;
        let Some(kind) = functions::kind_of(name) else {
            return Err(unknown("function", function));
        };
        self.position += 1;
        let arguments = self.sequence(")")?;
        Ok(Operand::new(format!("{name}({})", arguments.text), kind))
    }

    fn name(&self, token: Token<'_>) -> Result<Kind, Refusal> {
        match token.text {
            "true" | "false" => Ok(Kind::Bool),
            "nil" => Ok(Kind::Nil),
            "result" => Ok(self.result.unwrap_or(Kind::Unknown)),
            "#" if self.result == Some(Kind::Numbers) => Ok(Kind::Number),
            "#" | "#acc" => Ok(Kind::Unknown),
            "#index" => Ok(Kind::Number),
            name if self.variables.contains(&name) => Ok(Kind::Unknown),
            _ => Err(unknown("name", token)),
        }
    }
}

fn unknown(what: &str, token: Token<'_>) -> Refusal {
    Refusal::new(format!("unknown {what} {} at character {}", token.text, token.at))
}
