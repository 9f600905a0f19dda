//! Trees that nobody has thought of: folders, files, and links to anywhere, which change while they are listed. What is
//! listed is the same each time, what is read is within the directory, and nothing panics.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;

use super::tests::Mounts;
use super::*;

/// Some seconds' worth.
const SEEDS: std::ops::Range<u64> = 0..400;
/// Trees that change while they are listed: these take longer.
const CHANGING_SEEDS: std::ops::Range<u64> = 0..20;
/// Looks at a tree that changes.
const LOOKS: usize = 30;
/// What is in every file out of the directory.
const SECRET: &[u8] = b"\0asm-secret";
/// What is in the files of the directory.
const OWN: &[u8] = b"\0asm-own";
/// A file system takes no longer name.
const LONGEST_NAME: usize = 255;
/// The folders of a tree.
const FOLDERS: [&str; 4] = ["first", "second", "..data", "..2026_01_01"];
/// Names as people and attackers would write them.
const NAMES: [&str; 16] = [
    "ratio.wasm",
    "ratio.wasm.gz",
    "latency.wasm",
    ".wasm",
    ".wasm.gz",
    "..wasm",
    "..data",
    "..2026_01_01",
    "first",
    "second",
    "a b.wasm",
    "line\nbreak.wasm",
    "\u{202e}msaw.wasm",
    "é.wasm",
    "-rf.wasm",
    "Ratio.WASM",
];

/// A directory, and beside it one with a secret that links lead to.
struct Tree {
    mounts: Mounts,
    outside: Mounts,
    random: Rng,
}

impl Tree {
    fn new(seed: u64) -> Self {
        let (mounts, outside) = (Mounts::new(), Mounts::new());
        for name in ["ratio.wasm", "secret.wasm"] {
            fs::write(outside.directory.join(name), SECRET).unwrap();
        }
        let mut tree = Self {
            mounts,
            outside,
            random: Rng::with_seed(seed),
        };
        for _ in 0..tree.random.usize(1..30) {
            tree.change();
        }
        tree
    }

    fn root(&self) -> &Path {
        &self.mounts.directory
    }

    fn one_of<'a>(&mut self, names: &[&'a str]) -> &'a str {
        names[self.random.usize(0..names.len())]
    }

    fn name(&mut self) -> String {
        match self.random.u8(0..12) {
            0 => "n".repeat(LONGEST_NAME - ENDINGS[0].len()) + ENDINGS[0],
            1 => "n".repeat(LONGEST_NAME),
            _ => self.one_of(&NAMES).to_owned(),
        }
    }

    /// A path within the tree, two folders deep at most; its folder may be missing.
    fn path(&mut self) -> PathBuf {
        let mut path = self.root().to_owned();
        for _ in 0..self.random.usize(0..3) {
            path.push(self.one_of(&FOLDERS));
        }
        path.join(self.name())
    }

    /// What a link leads to: within the tree, out of it, to itself, to nothing.
    fn target(&mut self) -> PathBuf {
        match self.random.u8(0..8) {
            0 => self.outside.directory.clone(),
            1 => self.outside.directory.join("secret.wasm"),
            2 => "/dev/zero".into(),
            3 => "..".into(),
            4 => ".".into(),
            5 => Path::new("../..").join(self.name()),
            6 => self.path(),
            _ => self.name().into(),
        }
    }

    /// One change. What can't be made is left: a name that is taken, a folder that is missing.
    fn change(&mut self) {
        let path = self.path();
        // Never through a link to elsewhere: what is not the tree's stays as it is.
        if !self.is_own(&path) {
            return;
        }
        let _not_made = match self.random.u8(0..8) {
            0 | 1 => fs::create_dir(&path),
            2 | 3 if !path.is_symlink() => fs::write(&path, OWN),
            4 if !path.is_symlink() => fs::write(&path, b""),
            5 | 6 => symlink(self.target(), &path),
            _ => self.switch(&path),
        };
    }

    fn is_own(&self, path: &Path) -> bool {
        let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
        let root = fs::canonicalize(self.root()).unwrap();
        folder.is_some_and(|folder| folder.starts_with(root))
    }

    /// As the kubelet switches `..data`: something else is there in one step.
    fn switch(&mut self, path: &Path) -> io::Result<()> {
        let made = self.root().join("..switch");
        symlink(self.target(), &made)?;
        fs::rename(&made, path).or_else(|_taken| fs::remove_file(&made))
    }
}

/// Every file that is listed is read, or refused in words; what is read is the tree's own.
fn assert_nothing_gets_out(root: &Path, listing: &Listing) {
    for (name, files) in &listing.plugins {
        for file in files {
            assert!(file.path.starts_with(root), "{name}: {:?}", file.path);
            match read(root, &file.path) {
                Ok(delivery) => assert_ne!(delivery.bytes(), SECRET, "{:?}", file.path),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

fn as_text(listing: &Listing) -> String {
    format!("{listing:?}")
}

#[test]
fn every_tree_is_listed_twice_alike_and_nothing_out_of_it_is_read() {
    let (mut found, mut elsewhere) = (0, 0);
    for seed in SEEDS {
        let tree = Tree::new(seed);
        let listing = list(tree.root());

        assert_eq!(as_text(&list(tree.root())), as_text(&listing), "seed {seed}");
        assert_nothing_gets_out(tree.root(), &listing);
        found += listing.plugins.len();
        elsewhere += usize::from(as_text(&listing).contains("leads out of"));
    }
    assert!(found > 0 && elsewhere > 0, "{found}, {elsewhere}");
}

#[test]
fn the_same_tree_in_another_place_is_listed_alike() {
    let names = |seed| {
        let tree = Tree::new(seed);
        let listing = list(tree.root());
        let problems = listing.problems.len();
        (listing.plugins.into_keys().collect::<Vec<_>>(), problems)
    };
    for seed in SEEDS {
        assert_eq!(names(seed), names(seed), "seed {seed}");
    }
}

#[test]
fn a_tree_that_changes_while_it_is_listed_lets_nothing_out() {
    for seed in CHANGING_SEEDS {
        let mut tree = Tree::new(seed);
        let root = tree.root().to_owned();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    tree.change();
                }
            });
            for _ in 0..LOOKS {
                assert_nothing_gets_out(&root, &list(&root));
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_keeps_nobody_waiting() {
    let mounts = Mounts::new();
    let path = mounts.directory.join("ratio.wasm");
    fs::write(&path, OWN).unwrap();
    let listing = list(&mounts.directory);
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());

    assert_eq!(listing.plugins.len(), 1);
    assert!(matches!(read(&mounts.directory, &path), Err(FileError::NoFile)));
}
