//! PyTorch on a GPU, in a Python of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::problem::Size;

/// A Python that waits for its turn, so that starting it is not counted.
pub struct Peer {
    child: Child,
    // None only while it is told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// None, with a line that says so, if it is not there.
    pub fn start() -> Option<Peer> {
        let python = std::env::var("NFD_PYTHON").unwrap_or_else(|_| "python3".into());
        let mut command = Command::new(&python);
        command
            .args(["-c", include_str!("../gpu.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            println!("PyTorch: left out, no {python} (NFD_PYTHON may name a Python that has it)");
            return None;
        };
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Peer { child, input, output };
        let line = peer.line();
        match line.strip_prefix("ready ") {
            Some(version) => println!("PyTorch {version}"),
            None => println!("PyTorch: left out, {python} says: {line}"),
        }
        line.starts_with("ready ").then_some(peer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.output.read_line(&mut line);
        line.trim().to_owned()
    }

    /// Seconds of a step.
    ///
    /// # Errors
    /// What Python says, or nothing if it has ended.
    pub fn train(&mut self, size: Size) -> Result<f64, String> {
        let Size { width, depth, samples, members, steps } = size;
        let request = json!({
            "width": width, "depth": depth, "samples": samples, "members": members, "steps": steps,
        });
        let asked = self.input.as_mut().map(|input| writeln!(input, "{request}"));
        let line = if let Some(Ok(())) = asked { self.line() } else { String::new() };
        line.parse::<f64>().map(|seconds| seconds / f64::from(steps)).map_err(|_| line)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
