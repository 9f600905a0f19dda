//! Commands as they are typed, and what comes of them.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Parser, Subcommand};
use kulta_cli::plugin::{self, PluginArguments, Source, Surroundings};
use kulta_plugin_host::Trial;
use kulta_plugin_host::metrics::{
    Answer, Data, MetricsProvider, Pending, Query, QueryError, Sample, Series, Window,
};

/// A program that finds nothing wrong with any plugin: trials are tested where they are made.
const CONTENT: &str = "/bin/true";

/// The `kulta` binary, as far as it concerns plugins.
#[derive(Parser)]
struct Kulta {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Plugin(PluginArguments),
}

/// What a command has printed, and its error with all causes.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) result: Result<(), String>,
}

impl Said {
    /// What was printed by a command that did what it was asked for.
    pub(crate) fn well(self) -> String {
        assert_eq!(self.result, Ok(()), "{}", self.out);
        self.out
    }
}

/// Runs `kulta plugin` with `arguments`.
pub(crate) fn kulta(arguments: &[&str]) -> Said {
    kulta_in(&[], arguments)
}

/// The same, with these variables for cargo.
pub(crate) fn kulta_in(environment: &[(OsString, OsString)], arguments: &[&str]) -> Said {
    let Command::Plugin(arguments) = Kulta::parse_from(["kulta", "plugin"].iter().chain(arguments)).command;
    let surroundings = Surroundings {
        trial: Trial::new(CONTENT.into(), Vec::new()),
        environment: environment.to_vec(),
        connect,
    };
    let mut out = Vec::new();
    let result = plugin::run(arguments, &surroundings, &mut out).map_err(|error| {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
    });
    let out = String::from_utf8(out).unwrap();
    Said { out, result }
}

/// A Prometheus that answers every instant query whose expression is a number, by that number.
pub(crate) const LIVE: &str = "http://live";
/// One that nobody reaches.
pub(crate) const DOWN: &str = "http://down";

struct Prometheus {
    is_down: bool,
}

impl MetricsProvider for Prometheus {
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
        let answer = if self.is_down {
            Err(QueryError::Unavailable("connection refused".to_owned()))
        } else {
            answer(query)
        };
        Box::pin(async { answer })
    }
}

fn answer(query: &Query) -> Result<Answer, QueryError> {
    let (Window::Instant { at }, Ok(value)) = (query.window, query.expression.parse()) else {
        return Err(QueryError::BadQuery("no number".to_owned()));
    };
    let series = Series {
        labels: [("pod".to_owned(), "a".to_owned())].into(),
        samples: vec![Sample { at, value }],
    };
    Ok(Answer {
        data: Data::Vector(vec![series]),
        warnings: Vec::new(),
    })
}

fn connect(source: &Source) -> Result<Arc<dyn MetricsProvider>, Box<dyn Error + Send + Sync>> {
    match source.address.as_str() {
        LIVE => Ok(Arc::new(Prometheus { is_down: false })),
        DOWN => Ok(Arc::new(Prometheus { is_down: true })),
        _ => Err("nobody is there".into()),
    }
}

/// The committed component of a bundled plugin.
pub(crate) fn bundled(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    folder.join(format!("{name}.wasm")).display().to_string()
}

/// A folder of a test's own, taken away at the end. Not below the target folder: what is built there is configured by
/// this repository's `.cargo`.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kulta-cli-{test}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let file = self.0.join(name);
        fs::write(&file, content).unwrap();
        file.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}
