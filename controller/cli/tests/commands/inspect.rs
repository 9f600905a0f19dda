//! `kulta plugin inspect`, on the bundled plugins and on what is none.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use kulta_plugin_host::Delivery;

use crate::scene::{Folder, bundled, kulta};

/// The fact of this name.
fn fact<'o>(out: &'o str, name: &str) -> &'o str {
    let line = out.lines().find(|line| line.starts_with(name)).unwrap();
    line[name.len()..].trim()
}

#[test]
fn it_tells_what_a_plugin_is() {
    let file = bundled("schedule");
    let bytes = std::fs::read(&file).unwrap();

    let out = kulta(&["inspect", &file]).well();

    assert_eq!(fact(&out, "name"), "schedule");
    assert_eq!(fact(&out, "worlds"), "promotion-gate");
    assert!(
        fact(&out, "imports").contains("kulta:analysis/clock@1.1.0"),
        "{out}"
    );
    assert!(!fact(&out, "imports").contains("metrics"), "{out}");
    assert!(fact(&out, "size").ends_with("compressed"), "{out}");
    assert_eq!(
        fact(&out, "digest"),
        Delivery::read(&bytes).unwrap().digest().to_string()
    );
    assert!(fact(&out, "schema").ends_with("bytes"), "{out}");
}

#[test]
fn a_compressed_file_is_the_same_plugin() {
    let folder = Folder::new("compressed");
    let file = bundled("schedule");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&std::fs::read(&file).unwrap()).unwrap();
    let compressed = folder.file("schedule.wasm.gz", encoder.finish().unwrap());

    assert_eq!(
        kulta(&["inspect", &compressed]).well(),
        kulta(&["inspect", &file]).well()
    );
}

#[test]
fn the_schema_is_printed_alone() {
    let out = kulta(&["inspect", "--schema", &bundled("schedule")]).well();

    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["timeZone"].is_object(), "{out}");
}

#[test]
fn what_is_no_plugin_is_refused_in_one_sentence() {
    let folder = Folder::new("no-plugin");
    let file = folder.file("script.wasm", "#!/bin/sh");

    let said = kulta(&["inspect", &file]);

    let expected = format!(
        "{file} is no plugin that KULTA takes: it is neither a WebAssembly component nor a core module: deliver what the \
         build has made"
    );
    assert_eq!((said.result, said.out), (Err(expected), String::new()));
}

#[test]
fn web_assembly_that_is_no_plugin_is_refused() {
    let folder = Folder::new("no-world");
    let file = folder.file("empty.wasm", b"\0asm\x01\0\0\0");

    let refused = kulta(&["inspect", &file]).result.unwrap_err();

    assert!(
        refused.contains("a plugin exports kulta:analysis/plugin@1"),
        "{refused}"
    );
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let refused = kulta(&["inspect", "/there/is/none.wasm"]).result.unwrap_err();

    assert!(
        refused.starts_with("can't read /there/is/none.wasm: "),
        "{refused}"
    );
}
