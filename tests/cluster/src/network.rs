//! The cluster's network namespace: setting it up, and talking to what listens in it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};

use crate::command;
use crate::settings::{NODE_ADDRESS, NODE_DEVICE, NODE_NETWORK_LENGTH, PROBE_TIMEOUT};

/// A network namespace, by the file that stands for it.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    file: PathBuf,
}

/// What an HTTP server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Network {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// A command that runs a program inside.
    pub(crate) fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.file.display()))
            .arg("--")
            .arg(program);
        command
    }

    /// Gives the namespace its node address; the namespace is new.
    pub(crate) fn set_up(&self) -> Result<()> {
        let lines = [
            String::from("link set lo up"),
            format!("link add {NODE_DEVICE} type bridge"),
            format!("address add {NODE_ADDRESS}/{NODE_NETWORK_LENGTH} dev {NODE_DEVICE}"),
            format!("link set {NODE_DEVICE} up"),
            format!("route add default dev {NODE_DEVICE}"),
        ];
        command::output_with_input(
            self.enter("ip").args(["-batch", "-"]),
            lines.join("\n").as_bytes(),
        )?;
        // `/proc/sys/net` is that of the thread that looks.
        self.within(|| Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?))
    }

    /// Runs on a thread of its own that is inside the namespace; sockets opened there stay there.
    pub(crate) fn within<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let file = File::open(&self.file).context("the cluster is not running")?;
                setns(&file, CloneFlags::CLONE_NEWNET)?;
                run()
            });
            inside
                .join()
                .map_err(|_| anyhow!("a thread inside the cluster died"))?
        })
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, address: &str, host: &str, path: &str) -> Result<Answer> {
        self.within(|| get(address, host, path, PROBE_TIMEOUT))
    }
}

/// A plain HTTP request from where the caller is; Envoy wants version 1.1.
pub(crate) fn get(address: &str, host: &str, path: &str, timeout: Duration) -> Result<Answer> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(answer: &str) -> Result<Answer> {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("not an HTTP answer: {answer:?}")
    };
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("no status in {head:?}"))?;
    let chunked = head
        .to_ascii_lowercase()
        .contains("\r\ntransfer-encoding: chunked");
    Ok(Answer {
        status,
        body: if chunked { joined(body) } else { body.to_owned() },
    })
}

/// Takes the chunk sizes out of a chunked body.
fn joined(body: &str) -> String {
    let mut whole = String::new();
    let mut rest = body;
    while let Some((size, chunks)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let (Some(chunk), Some(next)) = (chunks.get(..size), chunks.get(size..)) else {
            break;
        };
        if size == 0 {
            break;
        }
        whole.push_str(chunk);
        rest = next.trim_start_matches("\r\n");
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer =
            parse("HTTP/1.1 503 Service Unavailable\r\nServer: envoy\r\n\r\nno healthy upstream").unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (503, "no healthy upstream")
        );
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, "abcd");
        assert!(parse("").is_err());
        assert!(parse("HTTP/1.1\r\n\r\n").is_err());
    }
}
