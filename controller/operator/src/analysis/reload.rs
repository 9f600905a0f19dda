//! Keeps up with the operator's configuration: a changed file that makes sense is in force within seconds, one that
//! does not is told once, and changes nothing.
//!
//! The file is read again and again instead of being watched, for the reasons of [`super::plugin_loader`].

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kulta_core::text::with_causes;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::configuration::{Configuration, ConfigurationError};
use super::plugins::Plugins;
use super::providers::Providers;
use crate::delivery::Outbox;
use crate::metrics::{ConfigurationResult, Metrics};

/// From one look at the file to the next: short beside the minute that the kubelet takes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Reads the configuration from a file.
pub(super) struct Reload {
    path: PathBuf,
    /// What counts.
    in_force: Configuration,
    plugins: Arc<Plugins>,
    providers: Arc<Providers>,
    outbox: Outbox,
    metrics: Arc<Metrics>,
    /// What was wrong with the file at the last look.
    problem: Option<String>,
}

impl Reload {
    /// The file at `path`, whose configuration is `in_force`.
    pub(super) fn new(
        path: PathBuf,
        in_force: Configuration,
        plugins: Arc<Plugins>,
        providers: Arc<Providers>,
        outbox: Outbox,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            path,
            in_force,
            plugins,
            providers,
            outbox,
            metrics,
            problem: None,
        }
    }

    /// Looks at the file for ever.
    pub(super) async fn run(mut self) -> Infallible {
        loop {
            sleep(LOOK_EVERY).await;
            self.look().await;
        }
    }

    /// Looks at the file once.
    pub(super) async fn look(&mut self) {
        match self.read().await {
            Err(problem) => self.refuse(problem),
            Ok(configuration) => {
                let was_refused = self.problem.take().is_some();
                self.metrics.refuses_configuration(false);
                if configuration != self.in_force {
                    self.put_in_force(configuration);
                } else if was_refused {
                    tracing::info!(path = %self.path.display(), "the configuration is the one in force again");
                }
            }
        }
    }

    async fn read(&self) -> Result<Configuration, String> {
        let path = self.path.clone();
        let read = spawn_blocking(move || Configuration::read(&path)).await;
        let read: Result<_, ConfigurationError> = read.map_err(|error| error.to_string())?;
        read.map_err(|error| with_causes(&error))
    }

    fn put_in_force(&mut self, configuration: Configuration) {
        self.providers.configure(&configuration);
        self.plugins.configure(&configuration);
        self.outbox.configure(&configuration.events);
        self.in_force = configuration;
        self.metrics.configured(ConfigurationResult::InForce);
        tracing::info!(path = %self.path.display(), "a changed configuration is in force");
    }

    fn refuse(&mut self, problem: String) {
        if self.problem.as_ref() == Some(&problem) {
            return;
        }
        self.metrics.configured(ConfigurationResult::Refused);
        self.metrics.refuses_configuration(true);
        tracing::warn!(
            problem,
            "the changed configuration is refused: the one before stays in force"
        );
        self.problem = Some(problem);
    }
}

#[cfg(test)]
mod tests {
    use kulta_plugin_host::metrics::{MetricsProvider as _, Query, QueryError, Window};

    use super::*;
    use crate::analysis::plugin_directory::tests::Mounts;
    use crate::analysis::plugins::tests::{digest, plugin};
    use crate::queue::queue;

    const ONE: &str = "
providers:
  main: {address: 'http://127.0.0.1:1', namespaces: [shop]}
plugins:
  ratio: {providers: [main]}
";

    struct Fixture {
        mounts: Mounts,
        reload: Reload,
    }

    /// A mounted ConfigMap with `ONE` in it, which is in force, and a plugin in service.
    async fn fixture() -> Fixture {
        let mounts = Mounts::new();
        mounts.config_map("config", &[("config.yaml", ONE.as_bytes())]);
        let path = mounts.directory.join("config").join("config.yaml");
        let in_force = Configuration::read(&path).unwrap();
        let plugins = Arc::new(Plugins::configured(&in_force));
        plugins.install("ratio", plugin(1).await);
        let providers = Arc::new(Providers::new(&in_force));
        let metrics = Arc::new(Metrics::new("test"));
        let outbox = Outbox::new(queue().0, Arc::default(), Arc::clone(&metrics));
        let reload = Reload::new(path, in_force, plugins, providers, outbox, metrics);
        Fixture { mounts, reload }
    }

    impl Fixture {
        async fn switch(&mut self, text: &str) {
            self.mounts
                .config_map("config", &[("config.yaml", text.as_bytes())]);
            self.reload.look().await;
        }

        /// Whether the provider `main` is there for this namespace; there is no server at its address.
        async fn serves(&self, namespace: &str) -> bool {
            let query = Query {
                provider: "main".to_owned(),
                expression: "up".to_owned(),
                window: Window::Instant {
                    at: jiff::Timestamp::UNIX_EPOCH,
                },
                answer_bytes: 1000,
                time: Duration::from_secs(1),
            };
            let answer = self.reload.providers.for_namespace(namespace).query(&query).await;
            !matches!(answer, Err(QueryError::Denied(_)))
        }

        fn grants(&self) -> Vec<String> {
            let version = self.reload.plugins.get("ratio", "shop", None).unwrap();
            version.grants.iter().cloned().collect()
        }

        fn assert_counted(&self, in_force: u32, refused: u32) {
            let text = self.reload.metrics.render().unwrap();
            for (result, number) in [("in-force", in_force), ("refused", refused)] {
                let line = format!("kulta_configuration_loads_total{{result=\"{result}\"}} {number}");
                assert!(text.contains(&line), "no {line} in\n{text}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_as_it_was_changes_nothing() {
        let mut fixture = fixture().await;

        fixture.switch(ONE).await;

        assert!(fixture.serves("shop").await && !fixture.serves("bank").await);
        fixture.assert_counted(0, 0);
    }

    #[tokio::test]
    async fn a_changed_file_is_in_force_for_providers_and_plugins_in_service() {
        let mut fixture = fixture().await;

        fixture
            .switch(
                &ONE.replace("[shop]", "[bank]")
                    .replace("providers: [main]", "providers: []"),
            )
            .await;

        assert!(!fixture.serves("shop").await && fixture.serves("bank").await);
        assert_eq!(fixture.grants(), [""; 0]);
        fixture.assert_counted(1, 0);
    }

    #[tokio::test]
    async fn a_broken_file_is_told_once_and_changes_nothing() {
        let mut fixture = fixture().await;

        for broken in ["providers: [", "provider: {}", &ONE.replace("[main]", "[other]")] {
            fixture.switch(broken).await;
            fixture.reload.look().await;
        }

        assert!(fixture.serves("shop").await);
        assert_eq!(fixture.grants(), ["main"]);
        assert!(
            fixture
                .reload
                .problem
                .as_ref()
                .is_some_and(|problem| problem.contains("plugins.ratio.providers[0]"))
        );
        fixture.assert_counted(0, 3);
    }

    #[tokio::test]
    async fn after_a_broken_file_and_one_that_is_gone_a_good_one_is_in_force() {
        let mut fixture = fixture().await;
        fixture.switch("providers: [").await;
        fixture.mounts.remove("config");
        fixture.reload.look().await;

        fixture.switch(&ONE.replace("[shop]", "['*']")).await;

        assert!(fixture.serves("bank").await);
        assert_eq!(fixture.reload.problem, None);
        fixture.assert_counted(1, 2);
    }

    #[tokio::test]
    async fn a_version_that_is_not_expected_any_more_goes_out_of_service() {
        let mut fixture = fixture().await;
        let expecting = |version| {
            ONE.replace(
                "{providers: [main]}",
                &format!("{{sha256: ['{}']}}", digest(version)),
            )
        };

        fixture.switch(&expecting(1)).await;
        assert!(fixture.reload.plugins.get("ratio", "shop", None).is_ok());
        fixture.switch(&expecting(2)).await;

        let gone = fixture
            .reload
            .plugins
            .get("ratio", "shop", None)
            .err()
            .unwrap()
            .to_string();
        assert!(
            gone.contains("is not expected any more") && gone.contains("plugins.ratio.sha256"),
            "{gone}"
        );
    }
}
