//! A file that gets a line for each event: a `CloudEvents` message in structured mode.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kulta_core::text::with_causes;
use kulta_events::{Event, envelope};
use tokio::task::spawn_blocking;

use super::sink::Outcome;

/// No line is longer: an event is a few kilobytes.
const LONGEST_LINE: u64 = 1 << 20;

/// A file of events.
pub(super) struct FileSink {
    path: Arc<Path>,
}

impl FileSink {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: path.into() }
    }

    /// Appends the event, and returns when it is on the disk.
    pub(super) async fn deliver(&self, event: &Event) -> Outcome {
        let line = match envelope::line(event) {
            Ok(line) => line,
            Err(error) => {
                let message = with_causes(&error);
                return Outcome::Refused { message };
            }
        };
        let path = Arc::clone(&self.path);
        match spawn_blocking(move || append(&path, &line)).await {
            Ok(Ok(())) => Outcome::Delivered,
            Ok(Err(error)) => Outcome::unavailable(format!("{}: {error}", self.path.display())),
            Err(_broken_off) => Outcome::unavailable("the writing was broken off"),
        }
    }
}

/// The file is opened for each line, so that one that was moved away is left alone.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    cut_half_a_line(&mut file)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

/// A process that was killed while it wrote leaves half a line, which was not acknowledged and comes again.
fn cut_half_a_line(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let Some(last) = length.checked_sub(1) else {
        return Ok(());
    };
    file.seek(SeekFrom::Start(last))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    if byte == [b'\n'] {
        return Ok(());
    }
    let from = length.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LONGEST_LINE).read_to_end(&mut tail)?;
    let kept = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    file.set_len(from + u64::try_from(kept).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::worker::tests::event;

    fn file(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("kulta-events-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        let _ = std::fs::remove_file(&path);
        path
    }

    #[tokio::test]
    async fn each_event_is_a_line_that_can_be_read_again() {
        let path = file("lines");
        let sink = FileSink::new(path.clone());

        assert_eq!(sink.deliver(&event(1)).await, Outcome::Delivered);
        assert_eq!(sink.deliver(&event(2)).await, Outcome::Delivered);

        let text = std::fs::read_to_string(path).unwrap();
        let told = text
            .lines()
            .map(|line| kulta_events::read(line).unwrap().fact.unwrap().sequence);
        assert_eq!(told.collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn half_a_line_of_a_killed_process_is_cut() {
        let path = file("half");
        let sink = FileSink::new(path.clone());
        sink.deliver(&event(1)).await;
        let mut half = std::fs::read_to_string(&path).unwrap();
        half.push_str("{\"specversion\":\"1.0\",\"id");
        std::fs::write(&path, half).unwrap();

        sink.deliver(&event(2)).await;

        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text.lines()
                .filter(|line| kulta_events::read(line).is_ok())
                .count(),
            2
        );
        assert_eq!(text.lines().count(), 2);
    }

    #[tokio::test]
    async fn a_file_that_was_moved_away_is_begun_anew() {
        let path = file("moved");
        let sink = FileSink::new(path.clone());
        sink.deliver(&event(1)).await;
        std::fs::rename(&path, path.with_extension("1")).unwrap();

        sink.deliver(&event(2)).await;

        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_tried_again() {
        let sink = FileSink::new(PathBuf::from("/nowhere/at/all/events"));

        let outcome = sink.deliver(&event(1)).await;

        assert!(
            matches!(outcome, Outcome::Unavailable { message, .. } if message.contains("/nowhere/at/all"))
        );
    }
}
