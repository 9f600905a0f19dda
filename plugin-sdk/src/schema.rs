//! The JSON Schema of a configuration: generated natively, committed as a file, and included by the plugin. What generates
//! it (`schemars`) would double the size of a component.

use std::path::Path;

/// Set to 1, the schema is written instead of compared.
pub const BLESS: &str = "KULTA_BLESS";

/// Fails a unit test when the committed schema is not the one of the types. With `KULTA_BLESS=1` in the environment it is
/// written instead.
///
/// `schema` is what `schemars::schema_for!(Config)` gives, as text; `file` is a path in the plugin's folder.
///
/// # Panics
/// When the file differs, or can't be written.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn assert_current(schema: &str, file: impl AsRef<Path>) {
    let file = file.as_ref();
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        if let Err(error) = std::fs::write(file, schema) {
            panic!("{}: {error}", file.display());
        }
        return;
    }
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == schema,
        "{} is stale: run the tests once with {BLESS}=1",
        file.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_is_committed_passes() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema.rs");
        assert_current(include_str!("schema.rs"), file);
    }

    #[test]
    #[should_panic(expected = "is stale: run the tests once with KULTA_BLESS=1")]
    fn a_schema_that_differs_fails_the_test() {
        assert_current("{}", "/there/is/no/such/file");
    }
}
