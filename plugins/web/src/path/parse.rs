//! Reading a path.

use kulta_plugin_sdk::read_json;

use super::filter::{Comparison, Filter, Operand};
use super::{Path, Slice, Step};
use crate::json::Scalar;

/// No path that people write is longer.
const LONGEST: usize = 1 << 10;
/// Filters in filters, long before the stack of a plugin would end.
const DEEPEST: usize = 4;
/// What can't be in the name of a field, unless `\` stands before it.
const NO_NAME: &str = ".[]{}()$@?*'\",=<>! \t\n";
/// Every comparison; those that begin like others come first.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// What of a text is still to be read.
struct Rest<'t> {
    text: &'t str,
    depth: usize,
}

impl Path {
    /// Reads a path: in braces, as kubectl has it, or without.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        let text = text.trim();
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or("has a { without }")?,
            None => text,
        };
        let mut rest = Rest {
            text: inner.trim(),
            depth: 0,
        };
        if !rest.take("$") {
            rest.take("@");
        }
        let path = rest.path()?;
        if rest.text.is_empty() {
            return Ok(path);
        }
        Err(format!(
            "can't be read from \"{}\" on: write one path, such as {{$.data.value}}",
            rest.text
        ))
    }
}

impl Rest<'_> {
    fn take(&mut self, what: &str) -> bool {
        let rest = self.text.strip_prefix(what);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn expect(&mut self, what: &str) -> Result<(), String> {
        self.text = self.text.trim_start();
        if self.take(what) {
            return Ok(());
        }
        let found = if self.text.is_empty() {
            "its end"
        } else {
            self.text
        };
        Err(format!("has \"{found}\" where \"{what}\" was expected"))
    }

    /// Steps, as far as there are some.
    fn path(&mut self) -> Result<Path, String> {
        let mut steps = Vec::new();
        loop {
            if self.take("..") {
                steps.push(Step::Deep);
                if !self.text.starts_with('[') {
                    steps.push(self.field()?);
                }
            } else if self.take(".") {
                // A dot alone is the document itself.
                if !(self.text.is_empty() && steps.is_empty()) {
                    steps.push(self.field()?);
                }
            } else if self.take("[") {
                steps.push(self.brackets()?);
            } else {
                return Ok(Path(steps));
            }
        }
    }

    fn field(&mut self) -> Result<Step, String> {
        if self.take("*") {
            return Ok(Step::Every);
        }
        let mut name = String::new();
        let mut letters = self.text.chars();
        loop {
            let rest = letters.as_str();
            match letters.next() {
                Some('\\') => name.extend(letters.next()),
                Some(letter) if !NO_NAME.contains(letter) => name.push(letter),
                _ => {
                    self.text = rest;
                    break;
                }
            }
        }
        if name.is_empty() {
            return Err("has a dot without the name of a field".to_owned());
        }
        Ok(Step::Names(vec![name]))
    }

    /// What is between brackets, of which the first is read.
    fn brackets(&mut self) -> Result<Step, String> {
        self.text = self.text.trim_start();
        let step = if self.take("?") {
            self.expect("(")?;
            let filter = self.filter()?;
            self.expect(")")?;
            Step::Filter(filter)
        } else if self.take("*") {
            Step::Every
        } else if self.text.starts_with(['\'', '"']) {
            let mut names = vec![self.quoted()?];
            while self.next_of_list() {
                names.push(self.quoted()?);
            }
            Step::Names(names)
        } else {
            self.places()?
        };
        self.expect("]")?;
        Ok(step)
    }

    fn next_of_list(&mut self) -> bool {
        self.text = self.text.trim_start();
        let is_there = self.take(",");
        self.text = self.text.trim_start();
        is_there
    }

    fn places(&mut self) -> Result<Step, String> {
        let first = self.whole_number()?;
        self.text = self.text.trim_start();
        if self.take(":") {
            let end = self.whole_number()?;
            let step = if self.take(":") {
                self.whole_number()?
            } else {
                None
            };
            let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0);
            let step = step.ok_or("has a slice whose step is not 1 or more")?;
            return Ok(Step::Slice(Slice {
                start: first,
                end,
                step,
            }));
        }
        let missing = "has brackets without a number, '*', a filter or a name in quotes";
        let mut places = vec![first.ok_or(missing)?];
        while self.next_of_list() {
            places.push(self.whole_number()?.ok_or(missing)?);
        }
        Ok(Step::Places(places))
    }

    fn whole_number(&mut self) -> Result<Option<i64>, String> {
        self.text = self.text.trim_start();
        let is_part = |letter: char| letter == '-' || letter.is_ascii_digit();
        let end = self
            .text
            .find(|letter| !is_part(letter))
            .unwrap_or(self.text.len());
        let (digits, rest) = self.text.split_at_checked(end).unwrap_or_default();
        self.text = rest;
        if digits.is_empty() {
            return Ok(None);
        }
        let number = digits
            .parse()
            .map_err(|_| format!("has \"{digits}\" where a whole number was expected"))?;
        Ok(Some(number))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut letters = self.text.chars();
        let quote = letters.next().filter(|quote| matches!(quote, '\'' | '"'));
        let quote = quote.ok_or("has a list of names of which one is not in quotes")?;
        let mut text = String::new();
        loop {
            match letters.next() {
                Some('\\') => text.extend(letters.next()),
                Some(letter) if letter == quote => break,
                Some(letter) => text.push(letter),
                None => return Err(format!("has a {quote} without the other one")),
            }
        }
        self.text = letters.as_str();
        Ok(text)
    }

    fn filter(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("has more than {DEEPEST} filters in each other"));
        }
        let left = self.operand()?;
        self.text = self.text.trim_start();
        let comparison = COMPARISONS.into_iter().find(|(written, _)| self.take(written));
        let right = match comparison {
            Some((_, comparison)) => Some((comparison, self.operand()?)),
            None => None,
        };
        self.depth -= 1;
        Ok(Filter { left, right })
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.text = self.text.trim_start();
        if self.take("@") {
            return self.path().map(Operand::Entry);
        }
        if self.take("$") {
            return self.path().map(Operand::Document);
        }
        if self.text.starts_with(['\'', '"']) {
            return self.quoted().map(|text| Operand::Literal(Scalar::Text(text)));
        }
        for (word, value) in [
            ("true", Scalar::Bool(true)),
            ("false", Scalar::Bool(false)),
            ("null", Scalar::Null),
        ] {
            if self.take(word) {
                return Ok(Operand::Literal(value));
            }
        }
        let is_part = |letter: char| matches!(letter, '-' | '+' | '.' | 'e' | 'E') || letter.is_ascii_digit();
        let end = self
            .text
            .find(|letter| !is_part(letter))
            .unwrap_or(self.text.len());
        let (digits, rest) = self.text.split_at_checked(end).unwrap_or_default();
        let number = read_json(digits)
            .map_err(|_| format!("has \"{}\" where a path, number or text was expected", self.text))?;
        self.text = rest;
        Ok(Operand::Literal(Scalar::Number(number)))
    }
}
