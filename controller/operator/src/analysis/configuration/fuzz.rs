//! Files that nobody has thought of: a whole configuration with changes at random. Each is read, or refused in words.

use fastrand::Rng;

use super::*;

/// Some seconds' worth.
const SEEDS: std::ops::Range<u64> = 0..5000;
/// Every field.
const WHOLE: &str = r#"
providers:
  prometheus: {address: "http://prometheus.monitoring:9090", namespaces: ["*"], timeoutSeconds: 3}
  mimir:
    address: https://mimir.example.com/prometheus
    namespaces: [shop, bank]
    scopeLabel: namespace
    caFile: /etc/kulta/credentials/ca.crt
    bearerTokenFile: /etc/kulta/credentials/token
    headers:
      X-Scope-OrgID: {value: blue}
      X-Tenant: {file: /etc/kulta/credentials/tenant}
  older:
    address: http://older.monitoring:9090
    namespaces: [shop]
    basicAuth: {username: kulta, passwordFile: /etc/kulta/credentials/password}
allowedAddresses: [cluster, "http://10.0.0.1:9090"]
plugins:
  error_ratio:
    sha256: [4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945]
    providers: [prometheus]
    namespaces: [shop]
    limits: {fuel: 400000000, callMillis: 20000}
"#;
/// What YAML, numbers and addresses stumble over.
const PIECES: [&str; 24] = [
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|\n",
    "\t",
    "\0",
    "\u{feff}",
    "é",
    "18446744073709551616",
    "-1",
    "1e400",
    ".nan",
    "null",
    "http://[::1",
    "%zz",
];

fn file(random: &mut Rng) -> String {
    let mut text: Vec<char> = WHOLE.chars().collect();
    for _ in 0..random.u8(1..=6) {
        let at = random.usize(0..=text.len());
        let end = (at + random.usize(0..30)).min(text.len());
        match random.u8(0..4) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy = text[at..end].to_vec();
                let to = random.usize(0..=text.len());
                text.splice(to..to, copy);
            }
            2 => {
                let piece = PIECES[random.usize(0..PIECES.len())];
                text.splice(at..end, piece.chars());
            }
            _ => {
                let piece = PIECES[random.usize(0..PIECES.len())];
                text.splice(at..at, piece.chars());
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn the_whole_configuration_can_be_read() {
    let configuration = Configuration::parse(WHOLE).unwrap();

    assert_eq!(configuration.problems(), Vec::<String>::new());
}

#[test]
fn a_configuration_with_random_changes_is_read_or_refused_in_words() {
    let mut read = 0;
    for seed in SEEDS {
        let text = file(&mut Rng::with_seed(seed));
        match Configuration::parse(&text) {
            Ok(configuration) => {
                read += 1;
                assert!(configuration.problems().iter().all(|problem| !problem.is_empty()));
            }
            Err(error) => assert!(!error.to_string().is_empty(), "{text}"),
        }
    }
    assert!(read > 0);
}
