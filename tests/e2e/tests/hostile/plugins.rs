//! The hostile plugins, as files, and the words in which each has to be told of.

use anyhow::{Context as _, Result};
use kulta_conformance::{bombs, component, core_of_the_future, core_of_version, damage, encoded, text};

/// What comes of an analysis by a plugin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// It can be called: each call ends in an error with these words, beside the plugin's name.
    Fails(&'static [&'static str]),
    /// Its answer is taken, with this value, which nothing may judge.
    Measures(&'static str),
    /// It can't be loaded: the analysis is not begun, and these words say why, beside the plugin's name.
    Refused(&'static [&'static str]),
    /// It keeps the compiler busy, at each of the tries to load it: on a busy machine it takes minutes to be refused. The
    /// words are those of the tests of the host.
    Tried,
}

use Expected::{Fails, Measures, Refused, Tried};

/// Plugins of `tests/conformance/plugins`, all of which fit the interface.
pub(super) const CALLED: [(&str, Expected); 19] = [
    (
        "infinite-loop",
        Fails(&["fuel of 200000000", "an endless loop", "limit fuel"]),
    ),
    (
        "memory-fill-loop",
        Fails(&["fuel of 200000000", "an endless loop", "limit fuel"]),
    ),
    (
        "allocation-bomb",
        Fails(&["at most 16777216", "raise the limit memoryBytes"]),
    ),
    (
        "deep-recursion",
        Fails(&["stack of 256 KiB", "an endless recursion"]),
    ),
    (
        "giant-summary",
        Fails(&["more than 65536 bytes", "raise the limit outgoingBytes"]),
    ),
    ("giant-list", Fails(&["it crashed", "tell whoever wrote it"])),
    (
        "too-many-values",
        Fails(&["1001 values, at most 1000", "measure fewer"]),
    ),
    (
        "giant-state",
        Fails(&["8193 bytes, at most 8192", "raise the limit stateBytes"]),
    ),
    ("bad-json", Fails(&["the answer is invalid", "JSON"])),
    ("bad-text", Fails(&["it crashed", "tell whoever wrote it"])),
    ("bad-pointer", Fails(&["it crashed", "tell whoever wrote it"])),
    (
        "panic",
        Fails(&["src/lib.rs:7:9: index out of bounds", "tell whoever wrote it"]),
    ),
    (
        "plugin-error",
        Fails(&["the configuration is invalid", "limit: not a number"]),
    ),
    (
        "host-call-loop",
        Fails(&["10000 calls of the host", "an endless loop"]),
    ),
    ("log-flood", Measures("")),
    ("not-a-number", Measures("NaN")),
    ("infinite-value", Measures("-inf")),
    // `denied` is the first case of the error.
    ("ask-other-provider", Measures("0")),
    // Granted, but for what is above the limit of queries.
    (THOUSAND_QUERIES, Measures("8")),
];

/// Plugins of `tests/conformance/plugins` that can't be loaded.
const REFUSED: [(&str, Expected); 10] = [
    (
        "five-modules",
        Refused(&["more than 4 core modules", "link them into one"]),
    ),
    (
        "nested-module",
        Refused(&["a component within the component", "deliver one component"]),
    ),
    (
        "no-world",
        Refused(&["it exports", "a plugin exports kulta:analysis/plugin@1"]),
    ),
    ("utf16", Refused(&["UTF-16", "build it for UTF-8"])),
    (
        "unknown-import",
        Refused(&["it imports kulta:secrets/vault@1.0.0", "are there"]),
    ),
    (
        "wasi-import",
        Refused(&["wasi:cli/environment@0.2.6", "wasm32-unknown-unknown"]),
    ),
    (
        "crash-in-describe",
        Refused(&["can't describe itself", "it crashed", "tell whoever wrote it"]),
    ),
    (
        "loop-in-describe",
        Refused(&["can't describe itself", "fuel of 20000000"]),
    ),
    (
        "loop-in-start",
        Refused(&["can't describe itself", "fuel of 20000000"]),
    ),
    (
        UNEXPECTED,
        Refused(&["its digest", "is not expected", "plugins.unexpected.sha256"]),
    ),
];

/// Functions of the hidden bomb: more than the compiler has time for.
const HIDDEN: usize = 1000;
/// May ask a provider, says the operator.
pub(super) const THOUSAND_QUERIES: &str = "thousand-queries";
/// The operator expects other bytes.
pub(super) const UNEXPECTED: &str = "unexpected";

/// A file, and what comes of it.
pub(super) struct Delivered {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) expected: Expected,
}

/// All of them.
pub(super) fn all() -> Result<Vec<Delivered>> {
    let mut all = made()?;
    for (name, expected) in CALLED.into_iter().chain(REFUSED) {
        let source = if name == UNEXPECTED { "good" } else { name };
        let bytes = conformance(source)?;
        all.push(Delivered {
            name,
            bytes,
            expected,
        });
    }
    for (name, bomb, words) in bombs() {
        all.push(Delivered {
            name,
            bytes: bombs::with(&bomb)?,
            expected: Refused(words),
        });
    }
    all.push(Delivered {
        name: "bomb-hidden",
        bytes: bombs::with(&bombs::hidden(HIDDEN))?,
        expected: Tried,
    });
    Ok(all)
}

/// The component of a plugin in `tests/conformance/plugins`.
pub(super) fn conformance(name: &str) -> Result<Vec<u8>> {
    component(&text(name)?).with_context(|| name.to_owned())
}

/// Files that are made here: they are damaged, or for another interface.
fn made() -> Result<Vec<Delivered>> {
    let good = conformance("good")?;
    let half = good.get(..good.len() / 2).unwrap_or_default().to_vec();
    let other_major = encoded(&core_of_version(&text("good")?, "metric-analysis", "2.0.0")?)?;
    let files: [(_, _, &[_]); 6] = [
        (
            "other-major",
            other_major,
            &["has kulta:analysis@1", "build it for that"],
        ),
        (
            "future-import",
            core_of_the_future(&text("future-import")?)?,
            &["does not fit the interface", "build it with the plugin SDK"],
        ),
        ("truncated", half, &["not well-formed", "deliver it again"]),
        (
            "gzip-bomb",
            damage::gzip_bomb(100_000_000)?,
            &["more than 4194304 bytes decompressed", "strip = true"],
        ),
        (
            "five-megabytes",
            vec![0; 5_000_000],
            &["more than 4194304 bytes", "strip = true"],
        ),
        (
            "random-bytes",
            damage::noise(10_000),
            &[
                "neither a WebAssembly component",
                "deliver what the build has made",
            ],
        ),
    ];
    Ok(files.map(delivered).into())
}

fn delivered((name, bytes, words): (&'static str, Vec<u8>, &'static [&'static str])) -> Delivered {
    Delivered {
        name,
        bytes,
        expected: Refused(words),
    }
}

/// Bombs for the compiler, by name.
fn bombs() -> [(&'static str, String, &'static [&'static str]); 6] {
    [
        (
            "bomb-nested-loops",
            bombs::nested_loops(),
            &["in each other", "split it up"],
        ),
        (
            "bomb-many-locals",
            bombs::many_locals(),
            &["20000 locals and parameters, at most 1000", "split it up"],
        ),
        (
            "bomb-many-blocks",
            bombs::many_blocks(),
            &["too complex", "split it up"],
        ),
        (
            "bomb-huge-function",
            bombs::one_huge_function(),
            &["at most 262144", "split it up"],
        ),
        (
            "bomb-many-functions",
            bombs::many_functions(),
            &["more than 20000 functions", "lto = true"],
        ),
        (
            "bomb-deep-nesting",
            bombs::deep_nesting(),
            &["more than 256 blocks in each other", "split it up"],
        ),
    ]
}

/// Conditions that do harm, each with the words in which it has to be told of, beside its own text.
pub(super) fn conditions() -> Vec<(&'static str, String, &'static [&'static str])> {
    let brackets = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    vec![
        (
            "condition-long-range",
            "len(0..10000000) > 0".to_owned(),
            &["more than 16777216 bytes of memory", "too large a list"],
        ),
        (
            "condition-ranges",
            "all(0..9999, {all(0..9999, {all(0..9999, {# >= 0})})})".to_owned(),
            &["fuel of 200000000", "let the query do it"],
        ),
        (
            "condition-brackets",
            brackets,
            &["more than 32 brackets in each other"],
        ),
    ]
}
