//! The log files of a run directory.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The lines of a rank's log, each of which must be JSON and name that rank.
pub fn log_of(run: &Path, rank: usize) -> Vec<Value> {
    let text = fs::read_to_string(run.join(format!("logs/rank-{rank}.jsonl"))).unwrap();
    assert!(text.ends_with('\n'), "{text}");
    let lines = json_lines(&text);
    assert!(lines.iter().all(|line| line["rank"] == rank), "{text}");
    lines
}

/// Lines of which each must be a JSON object with a time, a level and words.
pub fn json_lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| -> Value {
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time = value["time"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
        assert!(value["level"].is_string() && value["message"].is_string(), "{line}");
        value
    };
    text.lines().map(parse).collect()
}

/// The lines with these words in their message.
pub fn about<'a>(lines: &'a [Value], words: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"].as_str().unwrap().contains(words)).collect()
}
