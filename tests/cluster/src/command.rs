//! Running other programs, with failures that say what was run and what it said.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Enough of a failed program's last words to see why.
const LAST_WORDS: usize = 25;

/// A program that is told to end when the thread that started it ends, however that ends: otherwise a compiler would
/// go on for minutes after its driver was killed. By SIGINT, as if from a terminal; what a shell starts in the background
/// would ignore it.
pub(crate) fn mortal(program: &str) -> Command {
    let mut command = Command::new("env");
    command.args([
        "--default-signal=INT",
        "setpriv",
        "--pdeathsig=INT",
        "--",
        program,
    ]);
    command
}

/// Runs to the end and gives standard output.
///
/// # Errors
/// When the program cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let said = described(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {said}"))?;
    succeeded(&said, &output)
}

/// Like [`output`], with something on standard input.
///
/// # Errors
/// When the program cannot be started or fails.
pub(crate) fn output_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    let said = described(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {said}"))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that stops reading tells why by its exit status.
            stdin.and_then(|mut stdin| stdin.write_all(input).ok())
        });
        child.wait_with_output()
    })?;
    succeeded(&said, &output)
}

/// Runs to the end and hands over each line of standard error as it comes.
///
/// # Errors
/// When the program cannot be started or fails; its last lines are in the error.
pub(crate) fn streamed(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    let said = described(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {said}"))?;
    let mut lines = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line?;
            each(&line);
            lines.push(line);
        }
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    bail!("{said} failed ({status}):\n{}", last(&lines))
}

fn succeeded(said: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = words.lines().map(str::to_owned).collect();
    bail!("{said} failed ({}):\n{}", output.status, last(&lines))
}

fn last(lines: &[String]) -> String {
    let from = lines.len().saturating_sub(LAST_WORDS);
    lines.get(from..).unwrap_or_default().join("\n")
}

fn described(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error = output(Command::new("ls").arg("/there/is/no/such/file"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`ls /there/is/no/such/file` failed"), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_mortal_program_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut said = mortal("sh");
            // Its line says that the signal is set up.
            said.args(["-c", "echo; exec sleep 600"]).stdout(Stdio::piped());
            let mut child = said.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            child
        };
        let mut child = std::thread::spawn(start).join().unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn input_reaches_the_program() {
        assert_eq!(
            output_with_input(&mut Command::new("cat"), b"seven").unwrap(),
            "seven"
        );
    }
}
