//! Folders as the kubelet makes them of ConfigMaps, and others.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A plugin directory, removed with everything in it when it is dropped.
pub(crate) struct Mounts {
    pub(crate) directory: PathBuf,
    switches: AtomicU32,
}

impl Mounts {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("kulta-plugins-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        Self {
            directory,
            switches: AtomicU32::new(0),
        }
    }

    /// Mounts a ConfigMap, or changes what is in it, as the kubelet does: what is new is written into a folder of its
    /// own, `..data` is switched to it in one step, and links lead through that.
    pub(crate) fn config_map(&self, name: &str, files: &[(&str, &[u8])]) {
        let folder = self.directory.join(name);
        fs::create_dir_all(&folder).unwrap();
        let number = self.switches.fetch_add(1, Ordering::Relaxed);
        let written = format!("..2026_01_01_00_00_00.{number}");
        fs::create_dir(folder.join(&written)).unwrap();
        for (file, content) in files {
            fs::write(folder.join(&written).join(file), content).unwrap();
        }
        let before = fs::read_link(folder.join("..data")).ok();
        symlink(&written, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        for (file, _) in files {
            let link = folder.join(file);
            if !link.is_symlink() {
                symlink(Path::new("..data").join(file), link).unwrap();
            }
        }
        for path in entries(&folder).unwrap() {
            if !path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
        if let Some(before) = before {
            fs::remove_dir_all(folder.join(before)).unwrap();
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_dir_all(self.directory.join(name)).unwrap();
    }

    fn list(&self) -> Listing {
        list(&self.directory)
    }

    fn names(&self) -> Vec<String> {
        let listing = self.list();
        assert_eq!(listing.problems, [""; 0]);
        listing.plugins.into_keys().collect()
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn a_plugin_is_called_as_its_file_without_the_ending() {
    let mounts = Mounts::new();
    mounts.config_map("first", &[("error_ratio.wasm", b"1"), ("README.md", b"read me")]);
    mounts.config_map("second", &[("latency.wasm.gz", b"2"), ("latency.wasm.bz2", b"3")]);

    assert_eq!(mounts.names(), ["error_ratio", "latency"]);
}

#[test]
fn what_the_kubelet_has_for_itself_is_no_second_file() {
    let mounts = Mounts::new();
    mounts.config_map("first", &[("ratio.wasm", b"1")]);

    let listing = mounts.list();

    assert_eq!(listing.plugins["ratio"].len(), 1);
    let path = mounts.directory.join("first/ratio.wasm");
    assert_eq!(listing.plugins["ratio"][0].path, path);
}

#[test]
fn a_switch_of_data_makes_another_file_of_the_same_path() {
    let mounts = Mounts::new();
    mounts.config_map("first", &[("ratio.wasm", b"1")]);
    let before = mounts.list().plugins;
    assert_eq!(mounts.list().plugins, before);

    mounts.config_map("first", &[("ratio.wasm", b"2")]);

    let after = mounts.list().plugins;
    assert_eq!(after["ratio"][0].path, before["ratio"][0].path);
    assert_ne!(after, before);
}

#[test]
fn a_file_that_is_written_in_place_is_another_one() {
    let mounts = Mounts::new();
    let path = mounts.directory.join("ratio.wasm");
    fs::write(&path, b"1").unwrap();
    let before = mounts.list().plugins;

    fs::write(&path, b"22").unwrap();

    assert_ne!(mounts.list().plugins, before);
}

#[test]
fn a_key_that_was_taken_out_of_its_config_map_is_gone() {
    let mounts = Mounts::new();
    mounts.config_map("first", &[("ratio.wasm", b"1"), ("latency.wasm", b"2")]);

    mounts.config_map("first", &[("latency.wasm", b"2")]);

    assert_eq!(mounts.names(), ["latency"]);
}

#[test]
fn files_right_in_the_directory_count_and_deeper_folders_do_not() {
    let mounts = Mounts::new();
    fs::write(mounts.directory.join("ratio.wasm"), b"1").unwrap();
    fs::create_dir_all(mounts.directory.join("first/deeper")).unwrap();
    fs::write(mounts.directory.join("first/deeper/latency.wasm"), b"2").unwrap();

    assert_eq!(mounts.names(), ["ratio"]);
}

#[test]
fn a_directory_that_is_missing_is_empty_and_so_is_a_link_to_nothing() {
    let mounts = Mounts::new();
    symlink("nowhere", mounts.directory.join("ratio.wasm")).unwrap();

    assert!(mounts.names().is_empty());
    let missing = list(&mounts.directory.join("missing"));
    assert!(missing.plugins.is_empty() && missing.problems.is_empty());
}

#[test]
fn what_is_no_file_is_no_plugin() {
    let mounts = Mounts::new();
    fs::create_dir(mounts.directory.join("folder.wasm")).unwrap();
    symlink("/dev/zero", mounts.directory.join("endless.wasm")).unwrap();

    assert!(mounts.names().is_empty());
}

#[test]
fn what_can_not_be_listed_is_told_beside_what_can() {
    let mounts = Mounts::new();
    mounts.config_map("first", &[("ratio.wasm", b"1")]);
    fs::create_dir(mounts.directory.join("second")).unwrap();
    symlink("loop.wasm", mounts.directory.join("second/loop.wasm")).unwrap();

    let listing = mounts.list();

    assert!(listing.plugins.contains_key("ratio"));
    assert_eq!(listing.problems.len(), 1);
    assert!(
        listing.problems[0].contains("/second/loop.wasm: "),
        "{:?}",
        listing.problems
    );
}

#[test]
fn the_same_name_in_two_folders_is_found_twice() {
    let mounts = Mounts::new();
    mounts.config_map("first", &[("ratio.wasm", b"1")]);
    mounts.config_map("second", &[("ratio.wasm.gz", b"1")]);

    assert_eq!(mounts.list().plugins["ratio"].len(), 2);
}

#[test]
fn a_file_that_is_too_long_is_not_read_to_its_end() {
    let mounts = Mounts::new();
    let path = mounts.directory.join("ratio.wasm");
    // A terabyte of nothing: it would take longer than a test may.
    File::create(&path).unwrap().set_len(1 << 40).unwrap();

    assert!(matches!(
        read(&mounts.directory, &path),
        Err(FileError::Inspect(InspectError::TooLarge))
    ));
}

#[test]
fn a_file_that_is_gone_when_it_is_read_is_told() {
    let mounts = Mounts::new();

    let gone = read(&mounts.directory, &mounts.directory.join("ratio.wasm"));

    assert!(matches!(gone, Err(FileError::Read(_))));
}

#[test]
fn what_can_not_be_listed_hides_nothing_that_comes_after_it() {
    let mounts = Mounts::new();
    symlink("loop", mounts.directory.join("loop")).unwrap();
    mounts.config_map("second", &[("ratio.wasm", b"1")]);

    let listing = mounts.list();

    assert!(listing.plugins.contains_key("ratio"));
    assert_eq!(listing.problems.len(), 1);
}

#[test]
fn a_link_out_of_the_directory_is_neither_looked_into_nor_read() {
    let (mounts, elsewhere) = (Mounts::new(), Mounts::new());
    fs::write(elsewhere.directory.join("latency.wasm"), b"1").unwrap();
    symlink(&elsewhere.directory, mounts.directory.join("folder")).unwrap();
    let link = mounts.directory.join("ratio.wasm");
    symlink(elsewhere.directory.join("latency.wasm"), &link).unwrap();

    let listing = mounts.list();

    assert!(!listing.plugins.contains_key("latency"));
    assert!(
        listing.problems[0].contains("/folder: it leads out of"),
        "{:?}",
        listing.problems
    );
    assert!(matches!(
        read(&mounts.directory, &link),
        Err(FileError::Elsewhere(_))
    ));
}

#[test]
fn a_directory_that_is_a_link_itself_is_looked_into() {
    let (mounts, links) = (Mounts::new(), Mounts::new());
    mounts.config_map("first", &[("ratio.wasm", b"1")]);
    let link = links.directory.join("plugins");
    symlink(&mounts.directory, &link).unwrap();

    let listing = list(&link);

    assert!(listing.plugins.contains_key("ratio") && listing.problems.is_empty());
    let path = &listing.plugins["ratio"][0].path;
    assert!(matches!(read(&link, path), Ok(_) | Err(FileError::Inspect(_))));
}
