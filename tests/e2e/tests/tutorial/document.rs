//! The blocks of a tutorial in Markdown: files to write, and commands to run.

use anyhow::{Context, Result, ensure};

const FENCE: &str = "```";
/// A block of this language is run, line by line.
const COMMANDS: &str = "sh";
/// How the comment begins that names a file, in the languages there are.
const COMMENTS: [&str; 2] = ["# ", "// "];

/// A block between fences.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Its first line is a comment with its name.
    File { name: String, content: String },
    /// For a shell.
    Commands(String),
}

/// The blocks below the heading, up to the next of its kind. What is neither a file nor commands shows what is said.
pub(super) fn blocks(text: &str, heading: &str) -> Result<Vec<Block>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next().filter(|line| !line.starts_with("## ")) {
        let Some(language) = line.trim_start().strip_prefix(FENCE) else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let inner = lines.by_ref().take_while(|line| line.trim() != FENCE);
        let inner: Vec<_> = inner.map(|line| line.get(indent..).unwrap_or_default()).collect();
        blocks.extend(block(language, &inner)?);
    }
    ensure!(!blocks.is_empty(), "there is no block under {heading:?}");
    Ok(blocks)
}

fn block(language: &str, lines: &[&str]) -> Result<Option<Block>> {
    if language == COMMANDS {
        return Ok(Some(Block::Commands(lines.join("\n"))));
    }
    let Some((first, rest)) = lines
        .split_first()
        .filter(|_| !language.is_empty() && language != "text")
    else {
        return Ok(None);
    };
    let name = COMMENTS.iter().find_map(|comment| first.strip_prefix(comment));
    let name = name.with_context(|| format!("no comment with the name of a file: {first:?}"))?;
    Ok(Some(Block::File {
        name: name.to_owned(),
        content: format!("{}\n", rest.join("\n")),
    }))
}
