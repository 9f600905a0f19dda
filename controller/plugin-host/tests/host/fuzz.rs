//! Files that nobody has thought of: plugins with bytes changed at random. Each is refused, or loaded and called; none
//! ends or hangs the host. What is tried is the same in each run; other seeds, or more: `KULTA_FUZZ_SEEDS=5000..90000`.

use std::ops::Range;

use fastrand::Rng;
use kulta_conformance::damage;
use kulta_plugin_host::Host;

use crate::build::{component, conformance, core};
use crate::scene::{assert_good, host, load, plugin, request};

/// Some seconds' worth.
const SEEDS: Range<u64> = 0..1500;
const SEEDS_VARIABLE: &str = "KULTA_FUZZ_SEEDS";

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var(SEEDS_VARIABLE) else {
        return SEEDS;
    };
    let (first, end) = text.split_once("..").expect("FIRST..END");
    first.parse().unwrap()..end.parse().unwrap()
}

/// The files that are changed: each way a plugin can come, and a small one of each world.
fn originals() -> Vec<Vec<u8>> {
    let measures = component(conformance!("good"));
    vec![
        core(conformance!("good"), "metric-analysis"),
        core(conformance!("gate"), "promotion-gate"),
        compressed(&measures),
        component(conformance!("echo")),
        measures,
    ]
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    damage::compressed(bytes).unwrap()
}

/// One of the files with up to eight changes, or bytes that never were a plugin.
fn file(random: &mut Rng, originals: &[Vec<u8>]) -> Vec<u8> {
    if random.u8(0..20) == 0 {
        let length = random.usize(0..4096);
        return (0..length).map(|_| random.u8(..)).collect();
    }
    let mut bytes = random.choice(originals).unwrap().clone();
    for _ in 0..random.u8(1..=8) {
        change(random, &mut bytes, originals);
    }
    if random.u8(0..20) == 0 {
        compressed(&bytes)
    } else {
        bytes
    }
}

fn change(random: &mut Rng, bytes: &mut Vec<u8>, originals: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(0..bytes.len());
    match random.u8(0..6) {
        // One bit: most often still well formed.
        0 | 1 => bytes[at] ^= 1 << random.u8(0..8),
        2 => bytes[at] = random.u8(..),
        // The largest lengths that five bytes can say.
        3 => {
            let end = (at + 5).min(bytes.len());
            bytes.splice(at..end, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        }
        4 => bytes.truncate(at),
        // A part of a file within another, with its sections out of order.
        _ => {
            let other = random.choice(originals).unwrap();
            let from = random.usize(0..other.len());
            let end = (from + random.usize(1..256)).min(other.len());
            bytes.splice(at..at, other[from..end].iter().copied());
        }
    }
}

/// Whether `bytes` make a plugin, which is then called.
async fn is_plugin(host: &Host, bytes: &[u8]) -> bool {
    match load(host, bytes).await {
        Ok(plugin) => {
            // Whatever comes of it: it comes, within the limits.
            drop(plugin.evaluate(request()).await);
            true
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 1000, "{message}");
            false
        }
    }
}

#[tokio::test]
async fn plugins_with_random_changes_do_no_harm() {
    let originals = originals();
    let host = host();
    let good = plugin(&host, conformance!("good")).await;
    let mut loaded = 0;

    for seed in seeds() {
        let bytes = file(&mut Rng::with_seed(seed), &originals);
        loaded += usize::from(is_plugin(&host, &bytes).await);
    }

    // Both ends are tried: what is refused at once, and what goes all the way.
    assert!(loaded > 0);
    assert_good(&good).await;
}
