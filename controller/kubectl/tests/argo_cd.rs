//! The patch of Argo CD's ConfigMap is made of the scripts that stand beside it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/argo-cd"))
}

#[test]
fn the_patch_of_the_config_map_has_every_script() {
    let file = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    let yaml = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let patch = yaml(&file("argocd-cm.yaml"));
    let customized = |what: &str| {
        let field = format!("resource.customizations.{what}.kulta.io_Rollout");
        patch["data"][field].as_str().unwrap().to_owned()
    };

    assert_eq!(customized("health"), file("health.lua"));
    let actions = yaml(&customized("actions"));
    assert_eq!(actions["discovery.lua"], file("discovery.lua"));
    let definitions = actions["definitions"].as_array().unwrap();
    assert_eq!(
        definitions.len(),
        fs::read_dir(folder().join("actions")).unwrap().count()
    );
    for definition in definitions {
        let name = definition["name"].as_str().unwrap();
        assert_eq!(
            definition["action.lua"],
            file(&format!("actions/{name}.lua")),
            "{name}"
        );
        assert!(
            file("discovery.lua").contains(&format!("actions[\"{name}\"]")),
            "{name}"
        );
    }
}
