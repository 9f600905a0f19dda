//! Functions that ask a predicate of each element of a list. `expr-lang` takes whatever is not false for true in some
//! of them, and whatever is not true for false in others; in Go, a predicate that is neither is an error.

use expr::{Context, ContextProvider, Environment, Error, Value};

use crate::value::name_of;

/// What a function makes of the answers of its predicate.
type Fold = fn(Answers<'_>) -> Value;
/// Elements with their indices, and what the predicate says of each.
type Answers<'a> = &'a mut dyn Iterator<Item = (usize, Value, bool)>;

const FOLDS: [(&str, Fold); 9] = [
    ("all", |answers| Value::Bool(denied(answers).next().is_none())),
    ("any", |answers| Value::Bool(chosen(answers).next().is_some())),
    ("none", |answers| Value::Bool(chosen(answers).next().is_none())),
    ("one", |answers| Value::Bool(chosen(answers).take(2).count() == 1)),
    ("filter", |answers| {
        Value::Array(chosen(answers).map(|(_, value)| value).collect())
    }),
    ("find", |answers| {
        chosen(answers).next().map_or(Value::Nil, |(_, value)| value)
    }),
    ("findIndex", |answers| {
        chosen(answers)
            .next()
            .map_or(Value::Nil, |(index, _)| number(index))
    }),
    ("findLast", |answers| {
        chosen(answers).last().map_or(Value::Nil, |(_, value)| value)
    }),
    ("findLastIndex", |answers| {
        chosen(answers)
            .last()
            .map_or(Value::Nil, |(index, _)| number(index))
    }),
];

/// Takes the place of the functions of the same names.
pub(crate) fn add(environment: &mut Environment<'_>) {
    for (name, fold) in FOLDS {
        environment.add_function(name, move |call| {
            let ([Value::Array(list)], Some(predicate)) = (call.args.as_slice(), call.predicate) else {
                return Err(Error::ExprError(format!(
                    "{name}() takes an array and a predicate"
                )));
            };
            let mut failure = None;
            let mut answers = list.iter().enumerate().map_while(|(index, value)| {
                let element = Element::new(call.ctx, index, value);
                match call.env.run(predicate, &element) {
                    Ok(Value::Bool(yes)) => return Some((index, value.clone(), yes)),
                    Ok(other) => failure = Some(not_a_bool(name, &other)),
                    Err(error) => failure = Some(error),
                }
                None
            });
            let folded = fold(&mut answers);
            failure.map_or(Ok(folded), Err)
        });
    }
}

fn chosen(answers: Answers<'_>) -> impl Iterator<Item = (usize, Value)> + '_ {
    answers
        .filter(|(_, _, yes)| *yes)
        .map(|(index, value, _)| (index, value))
}

fn denied(answers: Answers<'_>) -> impl Iterator<Item = (usize, Value, bool)> + '_ {
    answers.filter(|(_, _, yes)| !*yes)
}

fn number(index: usize) -> Value {
    Value::Integer(i64::try_from(index).unwrap_or(i64::MAX))
}

fn not_a_bool(name: &str, other: &Value) -> Error {
    Error::ExprError(format!(
        "predicate of {name}() should return boolean (got {})",
        name_of(other)
    ))
}

/// What a predicate sees: the element, its index, and everything around.
struct Element<'a> {
    around: &'a dyn ContextProvider,
    value: &'a Value,
    index: Value,
}

impl<'a> Element<'a> {
    fn new(around: &'a dyn ContextProvider, index: usize, value: &'a Value) -> Self {
        let index = number(index);
        Self { around, value, index }
    }
}

impl ContextProvider for Element<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        match key {
            "#" => Some(self.value),
            "#index" => Some(&self.index),
            _ => self.around.get(key),
        }
    }

    fn to_context(&self) -> Context {
        self.around.to_context()
    }
}
