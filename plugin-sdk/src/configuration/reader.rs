//! JSON, piece by piece, and where in the document the reading is.
//!
//! Not `serde_json`: half of what that adds to a component is for what a configuration does not need, and its errors know
//! a line and not a field.

use serde::de::Unexpected;

use super::document::Fault;
use super::number;

/// Deeper documents are refused, long before the stack of a plugin would end.
const DEEPEST: usize = 64;

/// A value, or the beginning of one that holds others.
#[derive(Debug)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List,
    Object,
}

impl Token {
    /// What it is called in errors.
    pub(super) fn kind(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(number) => Unexpected::Unsigned(*number),
            Self::Signed(number) => Unexpected::Signed(*number),
            Self::Float(number) => Unexpected::Float(*number),
            Self::Text(text) => Unexpected::Str(text),
            Self::List => Unexpected::Seq,
            Self::Object => Unexpected::Map,
        }
    }
}

/// An open list or object, and which of its items is read.
#[derive(Debug)]
struct Place {
    at: At,
    is_first: bool,
}

#[derive(Debug)]
enum At {
    Item(usize),
    Field(String),
    /// At the list or object itself: nothing in it has been read, or all.
    Itself,
}

/// Reads a document from the beginning to the end.
#[derive(Debug)]
pub(super) struct Reader<'text> {
    rest: &'text str,
    open: Vec<Place>,
}

impl<'text> Reader<'text> {
    pub(super) const fn new(text: &'text str) -> Self {
        Self {
            rest: text,
            open: Vec::new(),
        }
    }

    /// The path of what is read, such as `steps[1].limit`.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for place in &self.open {
            match &place.at {
                At::Item(index) => {
                    path.push('[');
                    path.push_str(&index.to_string());
                    path.push(']');
                }
                At::Field(key) if path.is_empty() => path.push_str(key),
                At::Field(key) => {
                    path.push('.');
                    path.push_str(key);
                }
                At::Itself => {}
            }
        }
        path
    }

    /// Nothing but spaces may be left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("nothing more")),
        }
    }

    /// The next value; of a list or an object only the beginning.
    pub(super) fn value(&mut self) -> Result<Token, Fault> {
        match self.peek() {
            Some('"') => self.text().map(Token::Text),
            Some('[') => self.open(At::Itself, Token::List),
            Some('{') => self.open(At::Itself, Token::Object),
            Some('-' | '0'..='9') => self.number(),
            _ if self.take("null") => Ok(Token::Null),
            _ if self.take("true") => Ok(Token::Bool(true)),
            _ if self.take("false") => Ok(Token::Bool(false)),
            _ => Err(self.expected("a value")),
        }
    }

    /// Reads a null, if that is what comes next.
    pub(super) fn null(&mut self) -> bool {
        self.peek();
        self.take("null")
    }

    /// Goes to the next item of the open list; false at its end, which is not read.
    pub(super) fn next_item(&mut self) -> Result<bool, Fault> {
        if !self.go_on(']')? {
            return Ok(false);
        }
        let next = match self.open.last() {
            Some(Place {
                at: At::Item(index), ..
            }) => index + 1,
            _ => 0,
        };
        self.set_place(At::Item(next));
        Ok(true)
    }

    /// Reads the next key of the open object; none at its end, which is not read.
    pub(super) fn next_key(&mut self) -> Result<Option<String>, Fault> {
        let more = self.go_on('}')?;
        // What is wrong from here on is not the fault of the field before.
        self.set_place(At::Itself);
        if !more {
            return Ok(None);
        }
        if self.peek() != Some('"') {
            return Err(self.expected("a key in quotes"));
        }
        let key = self.text()?;
        self.set_place(At::Field(key.clone()));
        if self.peek().is_none() || !self.take(":") {
            return Err(self.expected("a colon"));
        }
        Ok(Some(key))
    }

    /// Reads the end of the open list, whose items have been read.
    pub(super) fn close_list(&mut self) -> Result<(), Fault> {
        self.close("]")
    }

    /// Reads the end of the open object, whose fields have been read.
    pub(super) fn close_object(&mut self) -> Result<(), Fault> {
        self.close("}")
    }

    fn close(&mut self, end: &str) -> Result<(), Fault> {
        self.peek();
        if self.take(end) {
            self.open.pop();
            return Ok(());
        }
        self.set_place(At::Itself);
        Err(Fault::new("more items than expected"))
    }

    /// Reads what separates two items; false at the end.
    fn go_on(&mut self, end: char) -> Result<bool, Fault> {
        if self.peek() == Some(end) {
            return Ok(false);
        }
        let is_first = self.open.last().is_none_or(|place| place.is_first);
        if !is_first && !self.take(",") {
            return Err(self.expected("a comma or the end"));
        }
        Ok(true)
    }

    fn set_place(&mut self, at: At) {
        if let Some(place) = self.open.last_mut() {
            *place = Place { at, is_first: false };
        }
    }

    fn open(&mut self, at: At, token: Token) -> Result<Token, Fault> {
        if self.open.len() >= DEEPEST {
            return Err(Fault::new("nested too deeply"));
        }
        self.skip(1);
        self.open.push(Place { at, is_first: true });
        Ok(token)
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let belongs = |character: char| matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        let length = self.rest.find(|character| !belongs(character));
        let length = length.unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        number::read(number)
    }

    /// Reads a text, from one quotation mark to the other.
    fn text(&mut self) -> Result<String, Fault> {
        self.skip(1);
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(control) if control < ' ' => return Err(Fault::new("a control character in a text")),
                Some(character) => text.push(character),
                None => return Err(Fault::new("a text without an end")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Fault> {
        Ok(match self.next() {
            Some(itself @ ('"' | '\\' | '/')) => itself,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(),
            _ => return Err(Fault::new("an escape that JSON does not have")),
        })
    }

    /// Reads `XXXX`, or `XXXX\uXXXX` where it takes two to make a character.
    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.four_digits()?;
        let code = if (0xD800..0xDC00).contains(&first) && self.take("\\u") {
            let second = self.four_digits()?;
            let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400);
            low.map(|low| 0x1_0000 + ((first - 0xD800) << 10) + low)
        } else {
            Some(first)
        };
        code.and_then(char::from_u32)
            .ok_or_else(|| Fault::new("an escape that is no character"))
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|digit| digit.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| Fault::new("an escape without four digits"))?;
        }
        Ok(code)
    }

    /// The next character behind spaces, which are skipped.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expected(&self, what: &str) -> Fault {
        match self.rest.chars().next() {
            Some(found) => Fault::new(format!("not JSON: expected {what}, found `{found}`")),
            None => Fault::new(format!("not JSON: expected {what}, found the end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::IgnoredAny;

    use super::super::read_json;

    fn text(json: &str) -> String {
        read_json(json).unwrap()
    }

    fn fault(json: &str) -> String {
        read_json::<IgnoredAny>(json).unwrap_err().to_string()
    }

    #[test]
    fn a_text_is_what_its_escapes_mean() {
        let json = r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 ü""#;
        assert_eq!(text(json), "a\"\\/\u{8}\u{c}\n\r\té😀 ü");
    }

    #[test]
    fn half_of_a_character_is_refused() {
        for json in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\u12""#,
            r#""\x""#,
        ] {
            assert!(read_json::<String>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn spaces_are_allowed_between_everything() {
        let map: BTreeMap<String, Vec<u8>> = read_json(" { \"a\" : [ 1 , 2 ] ,\n\t\"b\" : [ ] } ").unwrap();
        assert_eq!(map["a"], [1, 2]);
        assert!(map["b"].is_empty());
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_is() {
        let cases = [
            ("", "not JSON: expected a value, found the end"),
            ("{\"a\":}", "a: not JSON: expected a value, found `}`"),
            ("{\"a\" 1}", "a: not JSON: expected a colon, found `1`"),
            ("{\"a\":1,}", "not JSON: expected a key in quotes, found `}`"),
            (
                "{\"a\":1 \"b\":2}",
                "a: not JSON: expected a comma or the end, found `\"`",
            ),
            ("[1,]", "[1]: not JSON: expected a value, found `]`"),
            ("[1", "[0]: not JSON: expected a comma or the end, found the end"),
            ("1 2", "not JSON: expected nothing more, found `2`"),
            ("\"a", "a text without an end"),
            ("\"a\nb\"", "a control character in a text"),
            ("nul", "not JSON: expected a value, found `n`"),
        ];
        for (json, expected) in cases {
            assert_eq!(fault(json), expected, "{json}");
        }
    }

    #[test]
    fn a_document_that_is_nested_too_deeply_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(fault(&deep).ends_with("nested too deeply"));
    }

    #[test]
    fn as_much_is_refused_as_serde_json_refuses() {
        let whole = r#"{"a": [1, -2.5e3, true, null, "x\n\u00e9"], "b": {"c": {}}}"#;
        for end in (0..=whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let part = whole.get(..end).unwrap();
            assert_eq!(
                read_json::<IgnoredAny>(part).is_ok(),
                serde_json::from_str::<IgnoredAny>(part).is_ok(),
                "{part}"
            );
        }
    }
}
