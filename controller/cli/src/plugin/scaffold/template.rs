//! What is in the folder of a new plugin.

/// The files of one kind of plugin, with places for its name and for where the SDK is.
pub(super) struct Template {
    purpose: &'static str,
    usage: &'static str,
    source: &'static str,
    case: (&'static str, &'static str),
}

const MANIFEST: &str = include_str!("../../../template/Cargo.toml.txt");
const README: &str = include_str!("../../../template/README.md.txt");
const IGNORED: &str = include_str!("../../../template/gitignore.txt");

impl Template {
    /// Measures a share, and compares it with a limit.
    pub(super) const METRIC: Self = Self {
        purpose: "measures the share of requests that went wrong, and fails above a limit",
        usage: "\
analysis:
  metrics:
    - name: errors
      interval: 30s
      provider: {plugin: {{{lib}}: {query: ..., limit: 0.01}}}",
        source: include_str!("../../../template/metric/src/lib.rs.txt"),
        case: (
            "cases/error_ratio.yaml",
            include_str!("../../../template/metric/cases/error_ratio.yaml.txt"),
        ),
    };

    /// Lets time go by.
    pub(super) const GATE: Self = Self {
        purpose: "lets a rollout wait on a weight for a while before it gets more",
        usage: "\
promotionGates:
  - {name: wait, plugin: {{lib}}, config: {minutes: 5}}",
        source: include_str!("../../../template/gate/src/lib.rs.txt"),
        case: (
            "cases/wait.yaml",
            include_str!("../../../template/gate/cases/wait.yaml.txt"),
        ),
    };

    /// The files, by their paths in the folder. `name` is the plugin's, `library` that of its file; `sdk` is where the
    /// SDK is, seen from the folder.
    pub(super) fn files(&self, name: &str, library: &str, sdk: &str) -> [(&'static str, String); 5] {
        // In a TOML string these two mean something.
        let sdk = sdk.replace('\\', "\\\\").replace('"', "\\\"");
        let filled = |text: &str| {
            text.replace("{{purpose}}", self.purpose)
                .replace("{{usage}}", self.usage)
                .replace("{{name}}", name)
                .replace("{{lib}}", library)
                .replace("{{sdk}}", &sdk)
        };
        let (case, expected) = self.case;
        [
            (".gitignore", filled(IGNORED)),
            ("Cargo.toml", filled(MANIFEST)),
            ("README.md", filled(README)),
            ("src/lib.rs", filled(self.source)),
            (case, filled(expected)),
        ]
    }
}
