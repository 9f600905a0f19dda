//! A condition, made ready for `expr-lang`.
//!
//! That crate does three things which Go's `expr` does not, and each of them lets a broken condition pass: an index
//! that is out of range gives nil, what can never be equal may be compared, and unknown names are only told when they
//! are reached. It also takes everything to the right of `??` for the default, and its regular expressions would make
//! this module three times as large. Its syntax tree is private, so the words
//! are read here: what is between brackets, what belongs to which operand, and what stands on both sides of an
//! operator. Everything else is left to the crate, and so is every mistake in the syntax.

mod draft;
mod operand;
mod segment;

use crate::Refusal;
use crate::kind::Kind;
use crate::token::{Token, What, tokens};

use self::draft::Draft;
use self::segment::{CLOSENESS_OF_COMPARISONS, Segments, closeness};

/// Brackets in each other, at most. Conditions that people write have four.
const DEPTH: usize = 32;

/// A condition that `expr-lang` can be given.
#[derive(Debug)]
pub(crate) struct Readable(String);

impl Readable {
    /// Reads `condition`; `result` is what is known of what was measured.
    pub(crate) fn read(condition: &str, result: Option<Kind>) -> Result<Self, Refusal> {
        let tokens = tokens(condition)?;
        let variables = variables(&tokens);
        let mut reader = Reader {
            tokens: &tokens,
            position: 0,
            depth: 0,
            closeness: 0,
            result,
            variables,
        };
        let whole = reader.sequence("")?;
        Ok(Self(whole.text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The names that `let` introduces.
fn variables<'text>(tokens: &[Token<'text>]) -> Vec<&'text str> {
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    let declared = pairs.filter(|(word, _)| word.what == What::Name && word.text == "let");
    declared.map(|(_, name)| name.text).collect()
}

struct Reader<'tokens, 'text> {
    tokens: &'tokens [Token<'text>],
    position: usize,
    depth: usize,
    /// How closely the operator before the next operand binds.
    closeness: u8,
    result: Option<Kind>,
    variables: Vec<&'text str>,
}

/// What stands between two brackets.
struct Sequence {
    text: String,
    /// What it is as a whole.
    kind: Kind,
    /// What is between its commas.
    parts: Vec<Kind>,
    /// It is a part of a list: two bounds with a colon between them.
    is_slice: bool,
}

impl<'text> Reader<'_, 'text> {
    fn peek(&self) -> Token<'text> {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> Token<'text> {
        let end = Token {
            what: What::End,
            text: "",
            at: 0,
        };
        self.tokens.get(self.position + count).copied().unwrap_or(end)
    }

    fn next(&mut self) -> Token<'text> {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        let token = self.peek();
        token.what == What::Sign && token.text == sign
    }

    /// Reads up to the bracket `closing`, and over it; up to the end where that is empty.
    fn sequence(&mut self, closing: &str) -> Result<Sequence, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Refusal::new(format!("more than {DEPTH} brackets in each other")));
        }
        let mut segments = Segments::default();
        let mut draft = Draft::default();
        let mut choices = 0_usize;
        let mut is_slice = false;
        loop {
            let token = self.peek();
            if token.what == What::End || (token.what == What::Sign && matches!(token.text, ")" | "]" | "}"))
            {
                if token.text != closing {
                    return Err(unbalanced(token, closing));
                }
                self.position += 1;
                break;
            }
            match token.text {
                "?" => choices += 1,
                ":" if choices > 0 => choices -= 1,
                ":" => is_slice = true,
                _ => {}
            }
            self.word(token, closing, &mut segments, &mut draft)?;
        }
        self.depth -= 1;
        let (kind, parts) = segments.end()?;
        Ok(Sequence {
            text: draft.end(),
            kind,
            parts,
            is_slice,
        })
    }

    /// Takes one operator, one word of the language or one whole operand.
    fn word(
        &mut self,
        token: Token<'text>,
        closing: &str,
        segments: &mut Segments,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let is_key = token.what == What::Name
            && closing == "}"
            && self.ahead(1).text == ":"
            && draft.is_at_a_beginning();
        if is_key {
            self.position += 1;
            draft.push(token.text);
            return Ok(());
        }
        if token.what == What::Name && token.text == "let" {
            let name = self.ahead(1).text;
            self.position += 2;
            draft.boundary("let");
            draft.push(name);
            return segments.boundary();
        }
        if segments.operator(token)? {
            self.position += 1;
            self.closeness = closeness(token);
            match (token.text, self.closeness) {
                ("matches", _) => draft.matches(),
                ("not" | "!", _) => draft.push(token.text),
                (sign, 0..CLOSENESS_OF_COMPARISONS) => draft.boundary(sign),
                (sign, CLOSENESS_OF_COMPARISONS) => draft.compare(sign),
                (sign, _) => draft.push(sign),
            }
            return Ok(());
        }
        // What is in the brackets of an operand has operators of its own.
        let before = self.closeness;
        self.closeness = 0;
        let operand = self.operand()?;
        self.closeness = before;
        let after = self.peek();
        if operand.has_default && closeness(after) > before {
            let message = format!(
                "operator {} at character {} and ?? can't be mixed: write parentheses around what has the default",
                after.text, after.at
            );
            return Err(Refusal::new(message));
        }
        segments.operand(operand.kind);
        draft.push(&operand.text);
        Ok(())
    }
}

fn unbalanced(token: Token<'_>, closing: &str) -> Refusal {
    if token.what == What::End {
        return Refusal::new(format!("the condition ends before a closing {closing:?}"));
    }
    Refusal::new(format!("unexpected {:?} at character {}", token.text, token.at))
}
