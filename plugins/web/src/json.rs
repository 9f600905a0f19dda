//! A JSON document that keeps how its parts are written: what is found in it is handed on as the server wrote it, and no
//! code is needed to write it anew.

use kulta_plugin_sdk::read_json;

/// Deeper documents are refused, long before the stack of a plugin would end.
const DEEPEST: usize = 64;
/// What there is between the parts.
const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

/// A part of a document, or all of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Json<'t> {
    /// As it is written.
    pub(crate) text: &'t str,
    pub(crate) kind: Kind<'t>,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind<'t> {
    /// One value.
    Scalar(Scalar),
    /// Several.
    List(Vec<Json<'t>>),
    /// Several, by names; of one name the last counts.
    Object(Vec<(String, Json<'t>)>),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Json<'t> {
    /// Reads a document.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn read(text: &'t str) -> Result<Self, String> {
        let mut reader = Reader { rest: text, depth: 0 };
        let document = reader.value()?;
        reader.skip_spaces();
        if reader.rest.is_empty() {
            return Ok(document);
        }
        Err(reader.unexpected())
    }

    /// The field of an object.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Kind::Object(fields) = &self.kind else {
            return None;
        };
        let mut fields = fields.iter().rev();
        fields.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Its number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self.kind {
            Kind::Scalar(Scalar::Number(number)) => Some(number),
            _ => None,
        }
    }
}

impl<'t> Reader<'t> {
    fn value(&mut self) -> Result<Json<'t>, String> {
        self.skip_spaces();
        let begin = self.rest;
        let kind = if self.take("[") {
            self.depth += 1;
            let list = self.items("]", Self::value)?;
            self.depth -= 1;
            Kind::List(list)
        } else if self.take("{") {
            self.depth += 1;
            let fields = self.items("}", Self::named)?;
            self.depth -= 1;
            Kind::Object(fields)
        } else {
            Kind::Scalar(self.scalar()?)
        };
        Ok(Json {
            text: self.since(begin),
            kind,
        })
    }

    fn scalar(&mut self) -> Result<Scalar, String> {
        let words = [
            ("null", Scalar::Null),
            ("true", Scalar::Bool(true)),
            ("false", Scalar::Bool(false)),
        ];
        for (word, scalar) in words {
            if self.take(word) {
                return Ok(scalar);
            }
        }
        if self.rest.starts_with('"') {
            return self.string().map(Scalar::Text);
        }
        let is_part = |letter: char| matches!(letter, '-' | '+' | '.' | 'e' | 'E') || letter.is_ascii_digit();
        let end = self
            .rest
            .find(|letter| !is_part(letter))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        let number = read_json(digits).map_err(|_| self.unexpected())?;
        self.rest = rest;
        Ok(Scalar::Number(number))
    }

    fn string(&mut self) -> Result<String, String> {
        let begin = self.rest;
        let mut letters = self.rest.chars();
        letters.next();
        loop {
            match letters.next() {
                Some('\\') => {
                    letters.next();
                }
                Some('"') => break,
                Some(_) => {}
                None => return Err("a text has no end".to_owned()),
            }
        }
        self.rest = letters.as_str();
        read_json(self.since(begin)).map_err(|error| error.to_string())
    }

    fn named(&mut self) -> Result<(String, Json<'t>), String> {
        self.skip_spaces();
        if !self.rest.starts_with('"') {
            return Err(self.unexpected());
        }
        let name = self.string()?;
        self.skip_spaces();
        if !self.take(":") {
            return Err(self.unexpected());
        }
        Ok((name, self.value()?))
    }

    /// What is between brackets, of which the first is read.
    fn items<T>(
        &mut self,
        end: &str,
        item: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        if self.depth > DEEPEST {
            return Err(format!("it is deeper than {DEEPEST} lists and objects"));
        }
        let mut items = Vec::new();
        self.skip_spaces();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.skip_spaces();
            if self.take(end) {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(self.unexpected());
            }
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(SPACES);
    }

    fn take(&mut self, what: &str) -> bool {
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn since(&self, begin: &'t str) -> &'t str {
        let read = begin.len().saturating_sub(self.rest.len());
        begin.get(..read).unwrap_or(begin)
    }

    fn unexpected(&self) -> String {
        match self.rest.chars().next() {
            Some(letter) => format!("unexpected \"{letter}\""),
            None => "unexpected end".to_owned(),
        }
    }
}
