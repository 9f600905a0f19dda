//! Container images of one static binary, written by our own code: no daemon, no registry, no base image.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::json;

use crate::digest::sha256;

/// The user of the distroless images, which is no user of any system.
const USER: u32 = 65532;
const EXECUTABLE: u32 = 0o755;
const READABLE: u32 = 0o644;

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const COMPRESSED_LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// What goes into an image.
#[derive(Clone, Debug, Default)]
pub struct Image {
    name: String,
    entrypoint: String,
    files: BTreeMap<String, (u32, Vec<u8>)>,
    environment: BTreeMap<String, String>,
    ports: Vec<u16>,
    command: Vec<String>,
    compressed: bool,
}

/// An image as an OCI layout in one tar. The same content gives the same bytes.
#[derive(Clone, Debug)]
pub struct Archive {
    name: String,
    digest: String,
    bytes: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Image {
    /// An image whose only program is put at `path` and started from there. Give the name with a host and a tag other
    /// than `latest` (`kulta.local/sample-app:1`), and use it with `imagePullPolicy: IfNotPresent` or `Never`.
    #[must_use]
    pub fn new(name: &str, path: &str, program: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            entrypoint: path.to_owned(),
            ..Self::default()
        }
        .with(path, EXECUTABLE, program)
    }

    /// With a further file.
    #[must_use]
    pub fn file(self, path: &str, content: Vec<u8>) -> Self {
        self.with(path, READABLE, content)
    }

    /// With an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a port that its program listens on.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// With an argument of its program, unless somebody gives others.
    #[must_use]
    pub fn command(mut self, argument: &str) -> Self {
        self.command.push(argument.to_owned());
        self
    }

    /// With its layer compressed, as registries keep it. (A node that gets it at once is done sooner without.)
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When the name has no tag, or the tag `latest`, which would always be pulled.
    pub fn archive(&self) -> Result<Archive> {
        let tag = self.tag()?;
        let layer = self.layer()?;
        let config = serde_json::to_vec(&self.config(&sha256(&layer)))?;
        let (layer_type, layer) = if self.compressed {
            (COMPRESSED_LAYER_TYPE, gzip(&layer)?)
        } else {
            (LAYER_TYPE, layer)
        };
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, &config),
            "layers": [descriptor(layer_type, &layer)],
        }))?;
        let mut listed = descriptor(MANIFEST_TYPE, &manifest);
        let digest = listed.digest.clone();
        // The first is containerd's, the second that of everybody else.
        listed
            .annotations
            .insert("io.containerd.image.name", self.name.clone());
        listed
            .annotations
            .insert("org.opencontainers.image.ref.name", tag.to_owned());
        let index = serde_json::to_vec(
            &json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [listed] }),
        )?;
        let mut tar = tar::Builder::new(Vec::new());
        append(
            &mut tar,
            "oci-layout",
            READABLE,
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        for blob in [&layer, &config, &manifest] {
            append(
                &mut tar,
                &format!("blobs/sha256/{}", sha256(blob)),
                READABLE,
                blob,
            )?;
        }
        append(&mut tar, "index.json", READABLE, &index)?;
        let list = self.docker_list(&config, &layer)?;
        append(&mut tar, "manifest.json", READABLE, &list)?;
        Ok(Archive {
            name: self.name.clone(),
            digest,
            bytes: tar.into_inner()?,
        })
    }

    /// What `docker load` reads, where Docker keeps images by itself: it knows no OCI layout. Everybody else looks at that one first.
    fn docker_list(&self, config: &[u8], layer: &[u8]) -> Result<Vec<u8>> {
        let blob = |content: &[u8]| format!("blobs/sha256/{}", sha256(content));
        let image = json!({ "Config": blob(config), "RepoTags": [self.name], "Layers": [blob(layer)] });
        Ok(serde_json::to_vec(&json!([image]))?)
    }

    fn tag(&self) -> Result<&str> {
        let last = self.name.rsplit_once('/').map(|(_, last)| last);
        let tag = last.and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
        let tag = tag.filter(|tag| !tag.is_empty());
        let tag = tag.with_context(|| format!("{}: an image is named HOST/NAME:TAG", self.name))?;
        ensure!(
            tag != "latest",
            "{}: the tag `latest` would always be pulled",
            self.name
        );
        Ok(tag)
    }

    fn with(mut self, path: &str, mode: u32, content: Vec<u8>) -> Self {
        self.files
            .insert(path.trim_start_matches('/').to_owned(), (mode, content));
        self
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, (mode, content)) in &self.files {
            append(&mut tar, path, *mode, content)?;
        }
        Ok(tar.into_inner()?)
    }

    fn config(&self, layer: &str) -> serde_json::Value {
        let environment: Vec<String> = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let ports: BTreeMap<String, serde_json::Value> = self
            .ports
            .iter()
            .map(|port| (format!("{port}/tcp"), json!({})))
            .collect();
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "User": format!("{USER}:{USER}"),
                "Entrypoint": [self.entrypoint],
                "Cmd": self.command,
                "Env": environment,
                "ExposedPorts": ports,
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        })
    }
}

impl Archive {
    /// The image's name, as a pod names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the manifest.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The tar itself: `ctr images import`, `podman load` and `docker load` read it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Compressed as well as can be, with no time and no name in the header: the same content gives the same bytes.
///
/// # Errors
/// Never, in memory.
pub fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    Ok(gzip.finish()?)
}

fn descriptor(media_type: &'static str, blob: &[u8]) -> Descriptor {
    let digest = format!("sha256:{}", sha256(blob));
    Descriptor {
        media_type,
        digest,
        size: blob.len(),
        annotations: BTreeMap::new(),
    }
}

/// Files, by their paths, in one tar. The same content gives the same bytes.
///
/// # Errors
/// When a path is no path within an archive.
pub fn tar_of<'content>(files: impl IntoIterator<Item = (String, &'content [u8])>) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        append(&mut tar, &path, READABLE, content)?;
    }
    Ok(tar.into_inner()?)
}

/// No time, no owner: nothing but the content decides the bytes.
fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    Ok(tar.append_data(&mut header, path, content)?)
}

/// Go's names, which are those of images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image::new("kulta.local/app:1", "/app", b"program".to_vec())
            .environment("B", "2")
            .environment("A", "1")
            .port(80)
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let (one, two) = (image().archive().unwrap(), image().archive().unwrap());
        assert_eq!(one.bytes(), two.bytes());
        assert_eq!(one.digest(), two.digest());
        let other = Image::new("kulta.local/app:1", "/app", b"another".to_vec())
            .archive()
            .unwrap();
        assert_ne!(one.digest(), other.digest());
    }

    /// The files of an archive, by their paths.
    fn files(archive: &Archive) -> BTreeMap<String, Vec<u8>> {
        let mut tar = tar::Archive::new(archive.bytes());
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            (path, content)
        });
        entries.collect()
    }

    #[test]
    fn docker_is_told_where_configuration_and_layer_are() {
        let archive = image().compressed().archive().unwrap();
        let files = files(&archive);

        let list: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();

        assert_eq!(list[0]["RepoTags"], json!(["kulta.local/app:1"]));
        let config: serde_json::Value =
            serde_json::from_slice(&files[list[0]["Config"].as_str().unwrap()]).unwrap();
        assert!(files.contains_key(list[0]["Layers"][0].as_str().unwrap()));
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn the_index_names_the_image_and_every_blob_has_its_digest() {
        let archive = image().archive().unwrap();
        let files = files(&archive);
        for (path, content) in &files {
            if let Some(digest) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(digest, sha256(content));
            }
        }
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(
            index["manifests"][0]["annotations"]["io.containerd.image.name"],
            "kulta.local/app:1"
        );
        assert_eq!(index["manifests"][0]["digest"], archive.digest());
    }

    #[test]
    fn a_name_that_would_be_pulled_is_refused() {
        for name in [
            "kulta.local/app",
            "kulta.local/app:latest",
            "app",
            "localhost:5000/app",
        ] {
            assert!(Image::new(name, "/app", Vec::new()).archive().is_err(), "{name}");
        }
    }
}
