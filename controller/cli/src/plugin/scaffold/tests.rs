//! New plugins, each in a folder of the test's own.

use kulta_core::text::with_causes;

use super::*;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugin-sdk");

/// An empty folder, taken away at the end.
struct Empty(PathBuf);

impl Empty {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kulta-cli-{test}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn arguments(name: &str, parent: &Path) -> NewArguments {
    NewArguments {
        name: name.to_owned(),
        gate: false,
        sdk: SDK.into(),
        parent: parent.to_owned(),
    }
}

fn refusal(arguments: &NewArguments) -> String {
    with_causes(&make(arguments).unwrap_err())
}

#[test]
fn every_place_of_a_template_is_filled() {
    for template in [&Template::METRIC, &Template::GATE] {
        for (file, content) in template.files("my-ratio", "my_ratio", "../sdk") {
            assert!(
                !content.contains("{{name") && !content.contains("{{lib"),
                "{file}"
            );
            assert!(
                !content.contains("{{sdk") && !content.contains("{{usage"),
                "{file}"
            );
        }
    }
}

#[test]
fn the_manifest_names_the_plugin_and_the_sdk() {
    let empty = Empty::new("manifest");

    let folder = make(&arguments("my-ratio", &empty.0)).unwrap();

    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let sdk = Path::new(SDK).canonicalize().unwrap();
    assert!(manifest.contains("name = \"my-ratio\""));
    assert!(manifest.contains(&format!("{{ path = {:?} }}", sdk.display().to_string())));
}

#[test]
fn a_folder_that_exists_is_left_alone() {
    let empty = Empty::new("exists");
    fs::create_dir(empty.0.join("ratio")).unwrap();

    let refused = refusal(&arguments("ratio", &empty.0));

    assert!(
        refused.contains("ratio exists already: choose another name"),
        "{refused}"
    );
    assert_eq!(fs::read_dir(empty.0.join("ratio")).unwrap().count(), 0);
}

#[test]
fn names_that_nobody_can_use_are_refused() {
    let empty = Empty::new("names");
    for name in [
        "",
        "Ratio",
        "9ratio",
        "-ratio",
        "../ratio",
        "ratio.wasm",
        "a b",
        "prometheus",
        "serde",
        "match",
    ] {
        let refused = refusal(&arguments(name, &empty.0));
        assert!(refused.starts_with(&format!("NAME is {name:?}")), "{refused}");
    }
    assert_eq!(fs::read_dir(&empty.0).unwrap().count(), 0);
}

#[test]
fn a_folder_without_the_sdk_is_refused() {
    let empty = Empty::new("no-sdk");
    let mut arguments = arguments("ratio", &empty.0);
    arguments.sdk = env!("CARGO_MANIFEST_DIR").into();

    let refused = refusal(&arguments);

    assert!(
        refused.contains("name the folder `plugin-sdk` of a checkout of KULTA"),
        "{refused}"
    );
}

#[test]
fn every_plugin_that_comes_with_kulta_is_known() {
    let plugins = Path::new(SDK).join("../plugins");
    let folders = fs::read_dir(plugins).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = folders
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        // A part of the host, which nobody names: the controller takes another one by its name.
        .filter(|name| name != "conditions")
        .collect();
    // What evaluates conditions is built as the others are, and nobody calls it by its name.
    names.retain(|name| name != "conditions");
    names.sort();
    assert_eq!(names, BUNDLED);
}
