//! From a ConfigMap's folder to the plugin that an analysis gets, with real plugins.

use std::os::unix::fs::symlink;
use std::path::Path;

use kulta_plugin_host::{Digest, Trial};

use super::*;
use crate::analysis::plugin_directory::tests::Mounts;
use crate::analysis::plugins::tests::{configuration, digest, host, served, wasm};
use crate::metrics::plugins::PluginStates;

/// A controller's plugins, and where they come from.
struct Scene {
    mounts: Mounts,
    plugins: Arc<Plugins>,
    metrics: Arc<Metrics>,
    loader: PluginLoader,
}

impl Scene {
    fn new() -> Self {
        Self::with(host(), "{}")
    }

    fn with(host: Host, configured: &str) -> Self {
        let mounts = Mounts::new();
        let plugins = Arc::new(Plugins::configured(&configuration(configured)));
        let metrics = Arc::new(Metrics::new("0.0.0"));
        let (of_loader, directory) = (Arc::clone(&plugins), mounts.directory.clone());
        let loader = PluginLoader::new(Arc::new(host), of_loader, Arc::clone(&metrics), directory);
        Self {
            mounts,
            plugins,
            metrics,
            loader,
        }
    }

    /// The ConfigMap `first` has this plugin `ratio` from now on.
    async fn deliver(&mut self, file: &[u8]) {
        self.mounts.config_map("first", &[("ratio.wasm", file)]);
        self.settle().await;
    }

    /// The loader looks, and deals with all whose turn it is.
    async fn settle(&mut self) {
        self.loader.look().await;
        while self.loader.load_next().await {}
    }

    fn served(&self) -> Digest {
        served(&self.plugins, None)
    }

    fn refusal(&self, name: &str) -> String {
        self.plugins.get(name, "shop", None).err().unwrap().to_string()
    }

    /// How many versions were taken into service, and how many were refused.
    fn loads(&self) -> [u64; 2] {
        let text = self.metrics.render().unwrap();
        ["in-service", "refused"].map(|result| {
            let start = format!("kulta_plugin_loads_total{{result=\"{result}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.map_or(0, |number| number.parse().unwrap())
        })
    }
}

#[tokio::test]
async fn a_plugin_of_a_config_map_is_taken_into_service() {
    let mut scene = Scene::new();

    scene.deliver(&wasm(1)).await;

    assert_eq!(scene.served(), digest(1));
    let version = scene.plugins.get("ratio", "shop", None).unwrap();
    assert_eq!(&*version.plugin.identity().name, "ratio");
}

#[tokio::test]
async fn what_was_found_at_the_start_is_waited_for() {
    let mut scene = Scene::new();
    scene.mounts.config_map("first", &[("ratio.wasm", &wasm(1))]);

    scene.loader.announce().await;
    assert!(scene.refusal("ratio").contains("is being loaded"));

    scene.settle().await;
    assert_eq!(scene.served(), digest(1));
}

#[tokio::test]
async fn what_comes_while_other_files_are_loaded_is_waited_for_and_comes_after_them() {
    let mut scene = Scene::new();
    for name in ["mean", "ratio"] {
        scene
            .mounts
            .config_map(name, &[(&format!("{name}.wasm"), &wasm(1))]);
    }
    scene.loader.look().await;
    scene.loader.load_next().await;
    assert_eq!(scene.loads(), [1, 0]);

    scene.mounts.config_map("first", &[("first.wasm", &wasm(1))]);
    scene.loader.look().await;
    assert!(scene.refusal("first").contains("is being loaded"));
    let states = PluginStates {
        in_service: 1,
        loading: 2,
        refused: 0,
    };
    assert_eq!(scene.plugins.states(), states);

    scene.loader.load_next().await;
    assert_eq!((scene.served(), scene.loads()), (digest(1), [2, 0]));
    assert!(scene.refusal("first").contains("is being loaded"));
}

#[tokio::test]
async fn a_new_version_is_for_new_analyses_and_the_old_one_for_those_under_way() {
    let mut scene = Scene::new();
    scene.deliver(&wasm(1)).await;

    scene.deliver(&wasm(2)).await;

    assert_eq!(scene.served(), digest(2));
    assert_eq!(served(&scene.plugins, Some(1)), digest(1));
}

#[tokio::test]
async fn a_broken_version_never_replaces_a_good_one() {
    let mut scene = Scene::new();
    scene.deliver(&wasm(1)).await;

    scene.deliver(b"not a plugin").await;
    assert_eq!((scene.served(), scene.loads()), (digest(1), [1, 1]));
    let PluginStates {
        in_service, refused, ..
    } = scene.plugins.states();
    assert_eq!([in_service, refused], [1, 1]);

    scene.deliver(&wasm(2)).await;
    assert_eq!((scene.served(), scene.loads()), (digest(2), [2, 1]));
}

#[tokio::test]
async fn an_analysis_is_told_what_is_wrong_with_the_file_of_its_plugin() {
    let mut scene = Scene::new();

    scene.deliver(b"not a plugin").await;

    let told = scene.refusal("ratio");
    assert!(
        told.starts_with("the plugin \"ratio\" is not in service: "),
        "{told}"
    );
    assert!(told.contains("/first/ratio.wasm: plugin ratio ("), "{told}");
    assert!(told.ends_with("deliver what the build has made"), "{told}");
}

#[tokio::test]
async fn the_same_content_is_neither_loaded_nor_refused_twice() {
    let mut scene = Scene::new();

    for file in [&wasm(1)[..], b"not a plugin"] {
        scene.deliver(file).await;
        scene.deliver(file).await;
        scene.settle().await;
    }

    assert_eq!(scene.loads(), [1, 1]);
}

#[tokio::test]
async fn a_version_that_is_not_expected_is_refused_with_its_digest() {
    let expected = digest(1);
    let mut scene = Scene::with(host(), &format!("{{ratio: {{sha256: ['{expected}']}}}}"));

    scene.deliver(&wasm(2)).await;
    let told = scene.refusal("ratio");
    assert!(
        told.contains(&digest(2).to_string()) && told.contains("plugins.ratio.sha256"),
        "{told}"
    );

    scene.deliver(&wasm(1)).await;
    assert_eq!(scene.served(), expected);
}

#[tokio::test]
async fn two_config_maps_with_the_same_plugin_are_told_and_the_first_goes_on() {
    let mut scene = Scene::new();
    scene.deliver(&wasm(1)).await;

    scene.mounts.config_map("second", &[("ratio.wasm", &wasm(2))]);
    scene.settle().await;
    assert_eq!((scene.served(), scene.loads()), (digest(1), [1, 1]));

    scene.mounts.remove("first");
    scene.settle().await;
    assert_eq!(scene.served(), digest(2));
}

#[tokio::test]
async fn of_two_config_maps_with_the_same_plugin_at_the_start_none_is_taken() {
    let mut scene = Scene::new();
    for name in ["first", "second"] {
        scene.mounts.config_map(name, &[("ratio.wasm", &wasm(1))]);
    }

    scene.settle().await;

    let told = scene.refusal("ratio");
    for words in [
        "/first/ratio.wasm and ",
        "/second/ratio.wasm",
        "take away or rename",
    ] {
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn names_of_bundled_plugins_and_names_that_are_none_are_refused() {
    let mut scene = Scene::new();
    scene.plugins.expect("prometheus");
    let files = [("prometheus.wasm", &wasm(1)[..]), ("Error.Ratio.wasm", &wasm(1))];
    scene.mounts.config_map("first", &files);

    scene.settle().await;

    assert_eq!(scene.loads(), [0, 2]);
    let bundled = scene.refusal("prometheus");
    assert!(bundled.contains("being loaded"), "{bundled}");
    let invalid = scene.refusal("Error.Ratio");
    assert!(invalid.contains("small letters, digits"), "{invalid}");

    scene.mounts.remove("first");
    scene.settle().await;
    assert_eq!(scene.plugins.states().refused, 0);
}

#[tokio::test]
async fn a_plugin_whose_file_is_taken_away_goes_out_of_service() {
    let mut scene = Scene::new();
    scene.deliver(&wasm(1)).await;

    scene.mounts.remove("first");
    scene.settle().await;

    assert!(scene.refusal("ratio").starts_with("there is no plugin"));
}

#[tokio::test]
async fn nothing_goes_out_of_service_while_a_folder_can_not_be_listed() {
    let mut scene = Scene::new();
    scene.deliver(&wasm(1)).await;

    scene.mounts.remove("first");
    symlink("loop.wasm", scene.mounts.directory.join("loop.wasm")).unwrap();
    scene.settle().await;

    assert_eq!(scene.served(), digest(1));
}

#[tokio::test]
async fn a_plugin_whose_trial_could_not_be_held_is_tried_again_later() {
    let tools = Mounts::new();
    let compiler = tools.directory.join("compiler");
    let host = Host::new(Trial::new(compiler.clone(), Vec::new())).unwrap();
    let mut scene = Scene::with(host, "{}");
    scene.deliver(&wasm(1)).await;
    assert!(scene.refusal("ratio").contains("can't be started"));

    symlink(Path::new("/bin/true"), &compiler).unwrap();
    scene.settle().await;
    assert!(scene.refusal("ratio").contains("can't be started"));
    tokio::time::pause();
    tokio::time::advance(TRY_AGAIN_AFTER).await;
    tokio::time::resume();
    scene.settle().await;

    assert_eq!((scene.served(), scene.loads()), (digest(1), [1, 1]));
}

/// A host whose compiler finds no time or memory as long as there is no file `ready`.
fn busy_host(tools: &Mounts) -> Host {
    let ready = tools.directory.join("ready");
    let script = format!("test -e {} || exit 75", ready.display());
    Host::new(Trial::new("/bin/sh".into(), vec!["-c".into(), script.into()])).unwrap()
}

/// The next look at the directory, after so much time.
async fn look_after(scene: &mut Scene, time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    scene.settle().await;
}

#[tokio::test]
async fn a_plugin_that_the_machine_has_no_time_for_is_waited_for_and_tried_again_soon() {
    let tools = Mounts::new();
    let mut scene = Scene::with(busy_host(&tools), "{}");

    scene.deliver(&wasm(1)).await;
    assert!(scene.refusal("ratio").contains("is being loaded"));
    assert!(scene.loader.next_look() <= Instant::now() + FIRST_RETRY);

    std::fs::write(tools.directory.join("ready"), b"").unwrap();
    look_after(&mut scene, FIRST_RETRY).await;
    assert_eq!((scene.served(), scene.loads()), (digest(1), [1, 0]));
}

#[tokio::test]
async fn a_plugin_that_the_machine_never_has_time_for_is_refused_after_some_tries() {
    let tools = Mounts::new();
    let mut scene = Scene::with(busy_host(&tools), "{}");
    scene.deliver(&wasm(1)).await;

    for number in 0..RETRIES {
        assert!(scene.refusal("ratio").contains("is being loaded"), "{number}");
        look_after(
            &mut scene,
            FIRST_RETRY * 2_u32.pow(u32::try_from(number).unwrap()),
        )
        .await;
    }

    let told = scene.refusal("ratio");
    assert!(told.contains("its compilation could not begin"), "{told}");
    assert_eq!(scene.loads(), [0, 1]);
    std::fs::write(tools.directory.join("ready"), b"").unwrap();
    look_after(&mut scene, TRY_AGAIN_AFTER).await;
    assert_eq!((scene.served(), scene.loads()), (digest(1), [1, 1]));
}

#[tokio::test]
async fn another_file_than_the_refused_one_is_waited_for_anew() {
    let tools = Mounts::new();
    let mut scene = Scene::with(busy_host(&tools), "{}");
    scene.deliver(b"not a plugin").await;
    assert!(scene.refusal("ratio").contains("not in service"));

    scene.deliver(&wasm(1)).await;

    assert!(scene.refusal("ratio").contains("is being loaded"));
}

#[tokio::test]
async fn a_plugin_whose_file_leads_out_of_the_directory_is_refused_in_words() {
    let elsewhere = Mounts::new();
    std::fs::write(elsewhere.directory.join("ratio.wasm"), wasm(1)).unwrap();
    let mut scene = Scene::new();
    let link = scene.mounts.directory.join("ratio.wasm");
    symlink(elsewhere.directory.join("ratio.wasm"), link).unwrap();

    scene.settle().await;

    let told = scene.refusal("ratio");
    assert!(told.contains("leads out of the plugin directory"), "{told}");
    assert_eq!(scene.loads(), [0, 1]);
}
