//! A plugin that is recorded with the controller's own client, against a Prometheus on this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::any;
use clap::Parser as _;
use kulta_cli::plugin;
use kulta_core::text::with_causes;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::*;
use crate::arguments::{Arguments, Command};

/// A program that finds nothing wrong with any plugin: trials are tested where they are made.
const CONTENT: &str = "/bin/true";

/// What this Prometheus answers, by the expressions that it is asked.
type Answers = BTreeMap<&'static str, &'static str>;

async fn serve(State(answers): State<Answers>, form: String) -> (StatusCode, String) {
    let asked: BTreeMap<_, _> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let Some(value) = answers.get(asked["query"].as_str()) else {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"who knows"}"#;
        return (StatusCode::BAD_REQUEST, refused.to_owned());
    };
    let time = &asked["time"];
    let body = format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{time},"{value}"]}}]}}}}"#
    );
    (StatusCode::OK, body)
}

/// A Prometheus, a folder for what is recorded, and the configuration of the plugin.
struct Scene {
    _runtime: Runtime,
    address: SocketAddr,
    folder: PathBuf,
}

impl Scene {
    fn new(test: &str, config: &str) -> Self {
        let answers = Answers::from([("bad", "3"), ("total", "1000")]);
        // Of its own: the commands block the thread they run on.
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(any(serve)).with_state(answers);
        runtime.spawn(async move { axum::serve(listener, router).await });
        let folder = std::env::temp_dir().join(format!("kulta-{test}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.yaml"), config).unwrap();
        Self {
            _runtime: runtime,
            address,
            folder,
        }
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// Records the bundled plugin into `case.yaml`.
    fn record(&self, address: &str) -> Result<String, String> {
        let (config, output) = (self.path("config.yaml"), self.path("case.yaml"));
        let arguments = ["--config", &config, "--address", address, "--namespace", "shop"];
        let into = ["--fact", "canary-hash=6d5f", "--output", &output];
        kulta(&[&["record", &bundled()][..], &arguments, &into].concat())
    }

    fn test(&self) -> Result<String, String> {
        kulta(&["test", &bundled(), &self.path("case.yaml")])
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

/// The committed component of the plugin `prometheus`.
fn bundled() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist/prometheus.wasm");
    file.display().to_string()
}

/// What `kulta plugin` says, or why it fails.
fn kulta(arguments: &[&str]) -> Result<String, String> {
    let Command::Plugin(arguments) =
        Arguments::parse_from(["kulta", "plugin"].iter().chain(arguments)).command
    else {
        panic!("another command")
    };
    let surroundings = Surroundings {
        trial: Trial::new(CONTENT.into(), Vec::new()),
        ..surroundings()
    };
    let mut out = Vec::new();
    let result = plugin::run(arguments, &surroundings, &mut out);
    result.map_err(|error| with_causes(&error))?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn what_is_recorded_is_a_case_that_passes() {
    let scene = Scene::new("recorded", "errorRate: {bad: bad, total: total, limit: 0.01}");

    let said = scene.record(&format!("http://{}", scene.address)).unwrap();

    assert!(said.contains("case.yaml  pass  "), "{said}");
    let case = fs::read_to_string(scene.path("case.yaml")).unwrap();
    assert!(
        case.contains("canary-hash: 6d5f") && case.contains("value: 1000"),
        "{case}"
    );
    let tested = scene.test().unwrap();
    assert!(tested.ends_with("1 case passed\n"), "{tested}");
}

#[test]
fn a_query_that_the_prometheus_refuses_is_a_case_too() {
    let scene = Scene::new("refused", "query: unknown");

    scene.record(&format!("http://{}", scene.address)).unwrap();

    let case = fs::read_to_string(scene.path("case.yaml")).unwrap();
    assert!(
        case.contains("badQuery:") && case.contains("bad_data: who knows"),
        "{case}"
    );
    scene.test().unwrap();
}

#[test]
fn where_no_prometheus_is_nothing_is_recorded() {
    let scene = Scene::new("nobody", "query: up");

    let refused = scene.record("http://127.0.0.1:1").unwrap_err();

    assert!(
        refused.starts_with("no query was answered, so there is nothing to record: unavailable: 127.0.0.1"),
        "{refused}"
    );
    assert!(!Path::new(&scene.path("case.yaml")).exists());
}

#[test]
fn what_is_no_address_is_told_with_what_to_write() {
    let scene = Scene::new("no-address", "query: up");

    let refused = scene.record("prometheus:9090").unwrap_err();

    assert!(
        refused.starts_with("--address: ") && refused.contains("write http://HOST:PORT"),
        "{refused}"
    );
}
