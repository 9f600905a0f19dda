//! The functions of conditions: Argo Rollouts' own, and what is done otherwise than by `expr-lang`.

use expr::{Environment, Error, Value};

use crate::kind::Kind;
use crate::predicates;
use crate::value::{from_json, name_of};

/// What `list[index]` and `map[key]` are read as.
pub(crate) const INDEX: &str = "kulta_index";
/// What `list?.[index]` and `map?.key` are read as.
pub(crate) const OPTIONAL_INDEX: &str = "kulta_optional_index";

/// What `text matches pattern` is read as.
pub(crate) const MATCHES: &str = "kulta_matches";

/// The functions that conditions can call, by what they return.
const NAMES: [(Kind, &[&str]); 6] = [
    (
        Kind::Number,
        &[
            "abs",
            "asFloat",
            "asInt",
            "bitand",
            "bitnand",
            "bitnot",
            "bitor",
            "bitshl",
            "bitshr",
            "bitushr",
            "bitxor",
            "ceil",
            "count",
            "float",
            "floor",
            "indexOf",
            "int",
            "lastIndexOf",
            "len",
            "max",
            "mean",
            "median",
            "min",
            "round",
            "sum",
        ],
    ),
    (
        Kind::Text,
        &[
            "join",
            "lower",
            "repeat",
            "replace",
            "string",
            "trim",
            "trimPrefix",
            "trimSuffix",
            "type",
            "upper",
        ],
    ),
    (
        Kind::Bool,
        &[
            "all",
            "any",
            "hasPrefix",
            "hasSuffix",
            "isInf",
            "isNaN",
            "isNil",
            "none",
            "one",
        ],
    ),
    (Kind::Texts, &["split", "splitAfter"]),
    (
        Kind::List,
        &[
            "concat", "filter", "flatten", "keys", "map", "reverse", "sort", "sortBy", "take", "toPairs",
            "uniq", "values",
        ],
    ),
    (
        Kind::Unknown,
        &[
            "default",
            "find",
            "findIndex",
            "findLast",
            "findLastIndex",
            "first",
            "fromJSON",
            "fromPairs",
            "get",
            "groupBy",
            "last",
            "reduce",
        ],
    ),
];

/// What a function returns. None: there is none of this name.
pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    let mut names = NAMES.iter();
    names
        .find(|(_, names)| names.contains(&name))
        .map(|(kind, _)| *kind)
}

/// What is called with these arguments.
type Function = fn(&[Value]) -> expr::Result<Value>;

/// Everything that conditions can call.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    predicates::add(&mut environment);
    let functions: [(&str, Function); 10] = [
        (INDEX, index),
        (OPTIONAL_INDEX, optional_index),
        (MATCHES, matches_pattern),
        ("asFloat", |arguments| as_float(arguments).map(Value::Float)),
        ("asInt", as_int),
        ("isNaN", |arguments| {
            number("isNaN", arguments).map(|number| Value::Bool(number.is_nan()))
        }),
        ("isInf", |arguments| {
            number("isInf", arguments).map(|number| Value::Bool(number.is_infinite()))
        }),
        ("isNil", is_nil),
        ("default", default),
        ("fromJSON", parse_json),
    ];
    for (name, function) in functions {
        environment.add_function(name, move |call| match call.predicate {
            None => function(&call.args),
            Some(_) => refuse(format!("{name}() takes no predicate")),
        });
    }
    environment
}

fn refuse<T>(message: impl Into<String>) -> expr::Result<T> {
    Err(Error::ExprError(message.into()))
}

fn index(arguments: &[Value]) -> expr::Result<Value> {
    match arguments {
        [Value::Array(list), Value::Integer(index)] => element(list, *index),
        [Value::Map(map), Value::String(key)] => Ok(map.get(key).cloned().unwrap_or_default()),
        [Value::KeyedMap(pairs), key] => {
            let found = pairs.iter().find(|(candidate, _)| candidate == key);
            Ok(found.map(|(_, value)| value.clone()).unwrap_or_default())
        }
        [of, by] => refuse(format!("cannot fetch by {} from {}", name_of(by), name_of(of))),
        _ => refuse("an index is one value"),
    }
}

/// Go's error. `expr-lang` gives nil, of which `result[1] == 1` is false, and no failure is ever seen.
fn element(list: &[Value], index: i64) -> expr::Result<Value> {
    let length = list.len();
    let from_end = usize::try_from(index.unsigned_abs()).ok();
    let position = if index < 0 {
        from_end.and_then(|from_end| length.checked_sub(from_end))
    } else {
        from_end
    };
    let found = position.and_then(|position| list.get(position)).cloned();
    found.ok_or_else(|| Error::ExprError(format!("index out of range: {index} (array length is {length})")))
}

fn optional_index(arguments: &[Value]) -> expr::Result<Value> {
    if matches!(arguments, [Value::Nil, _]) {
        return Ok(Value::Nil);
    }
    index(arguments)
}

/// The largest float below which every whole one is an `i64`.
const WHOLE: f64 = 9_223_372_036_854_775_808.0;

#[allow(clippy::cast_precision_loss, reason = "as Go's float64() does")]
fn as_float(arguments: &[Value]) -> expr::Result<f64> {
    match arguments {
        [Value::Float(number)] => Ok(*number),
        [Value::Integer(number)] => Ok(*number as f64),
        [Value::String(text)] => text
            .parse()
            .or_else(|_| refuse(format!("asFloat: parsing {text:?}: invalid syntax"))),
        [other] => refuse(format!("asFloat() not supported on type {}", name_of(other))),
        _ => refuse("asFloat() takes one argument"),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "as Go's int64() does; what is out of range is refused"
)]
fn as_int(arguments: &[Value]) -> expr::Result<Value> {
    let whole = match arguments {
        [Value::Integer(number)] => *number,
        [Value::Float(number)] if (-WHOLE..WHOLE).contains(number) => number.trunc() as i64,
        [Value::Float(number)] => return refuse(format!("asInt() of {number}: out of range")),
        [Value::String(text)] => match text.parse() {
            Ok(whole) => whole,
            Err(_) => return refuse(format!("asInt: parsing {text:?}: invalid syntax")),
        },
        [other] => return refuse(format!("asInt() not supported on type {}", name_of(other))),
        _ => return refuse("asInt() takes one argument"),
    };
    Ok(Value::Integer(whole))
}

fn number(function: &str, arguments: &[Value]) -> expr::Result<f64> {
    match arguments {
        [Value::Float(_) | Value::Integer(_)] => as_float(arguments),
        [other] => refuse(format!(
            "cannot use {} as argument (type float64) to call {function}",
            name_of(other)
        )),
        _ => refuse(format!("{function}() takes one argument")),
    }
}

fn is_nil(arguments: &[Value]) -> expr::Result<Value> {
    match arguments {
        [value] => Ok(Value::Bool(matches!(value, Value::Nil))),
        _ => refuse("isNil() takes one argument"),
    }
}

fn default(arguments: &[Value]) -> expr::Result<Value> {
    match arguments {
        [Value::Nil, default] => Ok(default.clone()),
        [value, _] => Ok(value.clone()),
        _ => refuse("default() takes two arguments"),
    }
}

fn parse_json(arguments: &[Value]) -> expr::Result<Value> {
    match arguments {
        [Value::String(text)] => from_json(text).or_else(|refusal| refuse(refusal.to_string())),
        _ => refuse("fromJSON() takes a string"),
    }
}

/// As Go's, these regular expressions take time by the length of the text only. They know no classes of Unicode, such as
/// `\p{L}`, which are most of the size of those that do.
fn matches_pattern(arguments: &[Value]) -> expr::Result<Value> {
    let [Value::String(text), Value::String(pattern)] = arguments else {
        return refuse("matches takes a string and a pattern");
    };
    match regex_lite::Regex::new(pattern) {
        Ok(pattern) => Ok(Value::Bool(pattern.is_match(text))),
        Err(error) => refuse(format!("{pattern:?} is no regular expression: {error}")),
    }
}
