//! Events against the official schemas of `CDEvents`, and against that of KULTA's own types. For tests only.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

/// Where the official schemas may be.
const SPECIFICATION: &str = "CDEVENTS_SPEC_DIR";
/// Beside the project.
const BESIDE: &str = "../../../shared/reference/cdevents-spec";
/// What every schema of the version calls itself.
const SCHEMA_BASE: &str = "https://cdevents.dev/0.5.1/schema/";
/// What types that are none of the specification's begin with.
const CUSTOM: &str = "dev.cdeventsx.";
/// What types of the specification begin with.
const STANDARD: &str = "dev.cdevents.";
/// The schema of KULTA's own types.
const OWN: &str = "../../deploy/cdevents/kulta-deployment.schema.json";

/// A checkout of the specification.
#[derive(Debug, Clone)]
pub struct Specification(PathBuf);

impl Specification {
    /// Looks for it; None, loudly, where there is none.
    #[must_use]
    pub fn find() -> Option<Self> {
        let named = std::env::var_os(SPECIFICATION).map(PathBuf::from);
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE);
        let directory = named.unwrap_or(beside);
        if directory.join("schemas").is_dir() {
            return Some(Self(directory));
        }
        // `eprintln` is silent in a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "NOT CHECKED: no schemas of CDEvents in {}; set {SPECIFICATION} to a checkout of the specification, tag \
             v0.5.1",
            directory.display()
        );
        None
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Refuses an event that does not fit the official schema of its type.
    ///
    /// # Errors
    /// With all that is wrong.
    pub fn check(&self, event: &Value) -> Result<()> {
        self.check_against(&schema_of(kind(event)?)?, event)
    }

    /// Refuses a document that does not fit one of the schemas, a file in the specification.
    ///
    /// # Errors
    /// With all that is wrong.
    pub fn check_against(&self, schema: &str, document: &Value) -> Result<()> {
        let schema = read(&self.0.join(schema))?;
        let options = jsonschema::options().with_retriever(Links(self.0.clone()));
        let validator = options.should_validate_formats(true).build(&schema)?;
        check(&validator, document)
    }
}

/// Refuses an event of KULTA's own types that does not fit the schema that is published. Others have none.
///
/// # Errors
/// With all that is wrong.
pub fn check_own(event: &Value) -> Result<()> {
    if !kind(event)?.starts_with(CUSTOM) {
        return Ok(());
    }
    let schema = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(OWN))?;
    let options = jsonschema::options();
    check(&options.should_validate_formats(true).build(&schema)?, event)
}

/// The type of an event.
fn kind(event: &Value) -> Result<&str> {
    let kind = event.pointer("/context/type").and_then(Value::as_str);
    kind.with_context(|| format!("an event without a type: {event:#}"))
}

/// The official schema of a type.
fn schema_of(kind: &str) -> Result<String> {
    if kind.starts_with(CUSTOM) {
        return Ok("custom/schema.json".to_owned());
    }
    let mut words = kind.strip_prefix(STANDARD).unwrap_or_default().split('.');
    let (subject, predicate) = words.next().zip(words.next()).with_context(|| kind.to_owned())?;
    Ok(format!("schemas/{subject}{predicate}.json"))
}

fn check(validator: &Validator, document: &Value) -> Result<()> {
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    ensure!(errors.is_empty(), "{errors:?}\n{document:#}");
    Ok(())
}

/// Hands out the schemas of links by their address.
struct Links(PathBuf);

impl Retrieve for Links {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().strip_prefix(SCHEMA_BASE);
        let name = name.ok_or_else(|| anyhow!("a schema from elsewhere: {uri}"))?;
        Ok(read(&self.0.join("schemas").join(format!("{name}.json")))?)
    }
}

fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}
