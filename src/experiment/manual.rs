//! What is said of the experiment file: its JSON schema, and from that the page `docs/experiment.md`.

use std::fmt::Write;

use serde_json::{Map, Value};
use textwrap::WordSplitter::NoHyphenation;
use textwrap::{Options, fill};

use super::TypedExperiment;
use super::file::SCHEMA;

/// The head of the page; what follows it comes from the schema.
const HEAD: &str = "\
# The experiment file

<!-- Written by `nfd schema --markdown` from src/experiment/: change it there. -->

An experiment is a JSON file, which `nfd run FILE` trains and `nfd plan FILE` estimates. The shortest
one:

```json
{
  \"name\": \"first-try\",
  \"data\": { \"source\": \"digits\" },
  \"training\": { \"steps\": 3, \"learning_rate\": 0.5 },
  \"ensemble\": { \"widths\": [1024], \"depths\": [4, 8, 16, 32], \"seeds\": 8 }
}
```

Unknown keys and impossible values are errors with line and column; `null` is the same as leaving a field
out. `// comments` and `/* comments */` are ignored, and so is the key by which editors find the schema that
`nfd schema` prints. `nfd init STUDY` writes a file to begin with. `--set field=value` replaces a field on the command line, named by its path below, as in
`--set ensemble.seeds=4`. The manifest of a run directory holds the experiment with every default filled
in, which is itself an experiment file. `nfd schema` prints the JSON schema, for editors.

Symbols: width n, depth L, P training samples of dimension d, O outputs f, labels y, features h, their
gradients g, learning rate η.
";

/// The JSON schema of experiment files.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(TypedExperiment).to_value();
    // For editors, and no field of the experiment.
    let named = serde_json::json!({ "type": "string" });
    schema["patternProperties"] = serde_json::json!({ (format!("^\\{SCHEMA}$")): named });
    schema
}

/// The page on every field of the experiment file, in Markdown.
pub fn page() -> String {
    let schema = schema();
    let mut page = Page { definitions: &schema["$defs"], text: HEAD.to_owned() };
    page.section(&schema, "", 2);
    page.text
}

struct Page<'a> {
    definitions: &'a Value,
    text: String,
}

impl<'a> Page<'a> {
    /// The fields of an object, `level` deep.
    fn section(&mut self, object: &'a Value, path: &str, level: usize) {
        let Some(fields) = object["properties"].as_object() else { return };
        let required = object["required"].as_array();
        for (name, field) in fields {
            let required = required.is_some_and(|names| names.iter().any(|one| one == name));
            self.field(&format!("{path}{name}"), name, field, required, level);
        }
    }

    /// One field: heading, type and default, what it means, its values, an example, fields of its own.
    fn field(&mut self, path: &str, name: &str, field: &'a Value, required: bool, level: usize) {
        let (meaning, default) = described(field);
        let forms = self.forms(field);
        let mut types: Vec<String> = forms.iter().map(|form| self.kind(form)).collect();
        types.dedup();
        let default = match (required, &field["default"], default) {
            (true, ..) => "required".to_owned(),
            (_, Value::Null, Some(default)) => format!("default: {default}"),
            (_, Value::Null, None) => "optional".to_owned(),
            (_, value, _) => format!("default `{}`", json(value)),
        };
        let text = &mut self.text;
        let _ = writeln!(text, "\n{} `{path}`\n", "#".repeat(level));
        let _ = writeln!(text, "*{}; {default}.*\n\n{meaning}", types.join(" or "));
        self.values(&forms);
        if let Some(example) = field["examples"].get(0) {
            let _ = writeln!(self.text, "\nExample: `\"{name}\": {}`", json(example));
        }
        for form in forms {
            self.section(form, &format!("{path}."), level + 1);
        }
    }

    /// The schemas that a value may meet, references followed, null left out.
    fn forms(&self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            return self.forms(&self.definitions[name]);
        }
        let several = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
        match several {
            Some(several) => several.iter().flat_map(|one| self.forms(one)).collect(),
            None if schema["type"] == "null" => vec![],
            None => vec![schema],
        }
    }

    /// What kind of value meets `form`, with its range.
    fn kind(&self, form: &'a Value) -> String {
        let name = match &form["type"] {
            Value::Array(names) => {
                names.iter().find_map(|name| name.as_str().filter(|n| *n != "null"))
            }
            name => name.as_str(),
        };
        let bound = |key: &str, words: &str| match &form[key] {
            Value::Null => None,
            bound if bound.as_i64() == Some(1_000_000_000_000) => Some(format!("{words} 1e12")),
            bound => Some(format!("{words} {bound}")),
        };
        let bounds: Vec<String> = [
            bound("minimum", "at least"),
            bound("exclusiveMinimum", "more than"),
            bound("maximum", "at most"),
            bound("exclusiveMaximum", "less than"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let kind = match name {
            Some("array") => {
                let entries = self.forms(&form["items"]);
                let mut kinds: Vec<String> = entries.iter().map(|entry| self.kind(entry)).collect();
                kinds.dedup();
                format!("list, each entry: {}", kinds.join(" or "))
            }
            Some("string") if !form["const"].is_null() => "word".to_owned(),
            Some("string") => "text".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some(name) => name.to_owned(),
            None => "value".to_owned(),
        };
        match bounds.is_empty() {
            true => kind,
            false => format!("{kind} {}", bounds.join(", ")),
        }
    }

    /// The words among `forms`, or among the entries of a list, with their meanings.
    fn values(&mut self, forms: &[&'a Value]) {
        let entries = forms.iter().flat_map(|form| match form["items"].is_null() {
            true => vec![*form],
            false => self.forms(&form["items"]),
        });
        let words: Vec<_> = entries.filter(|form| !form["const"].is_null()).collect();
        if !words.is_empty() {
            self.text.push('\n');
        }
        for word in words {
            let meaning = word["description"].as_str().unwrap_or_default().replace('\n', " ");
            let _ = writeln!(self.text, "* `{}`: {meaning}", json(&word["const"]));
        }
    }
}

/// An experiment as a file to begin with: above every field what it means, in the first sentence of its page.
pub fn commented(experiment: &Map<String, Value>) -> String {
    let schema = schema();
    let page = Page { definitions: &schema["$defs"], text: String::new() };
    let mut lines = vec!["{".to_owned()];
    page.comment(&mut lines, &[&schema], experiment, 1);
    lines.push("}\n".to_owned());
    lines.join("\n")
}

impl<'a> Page<'a> {
    /// The fields of an object of one of these forms, each below what it means.
    fn comment(
        &self,
        lines: &mut Vec<String>,
        forms: &[&'a Value],
        object: &Map<String, Value>,
        level: usize,
    ) {
        let indent = "  ".repeat(level);
        for (i, (name, value)) in object.iter().enumerate() {
            let field = forms.iter().map(|form| &form["properties"][name]);
            let field = field.into_iter().find(|field| !field.is_null()).unwrap_or(&Value::Null);
            let (meaning, _) = described(field);
            let first = meaning.split(". ").next().unwrap_or_default().trim_end_matches('.');
            if !first.is_empty() {
                let begin = format!("{indent}// ");
                let options = Options::new(100).word_splitter(NoHyphenation).break_words(false);
                let options = options.initial_indent(&begin).subsequent_indent(&begin);
                lines.push(fill(first, options));
            }
            let comma = if i + 1 < object.len() { "," } else { "" };
            match value {
                Value::Object(inside) => {
                    lines.push(format!("{indent}\"{name}\": {{"));
                    self.comment(lines, &self.forms(field), inside, level + 1);
                    lines.push(format!("{indent}}}{comma}"));
                }
                value => lines.push(format!("{indent}\"{name}\": {}{comma}", json(value))),
            }
        }
    }
}

/// What a field means, and its default where that is said in words.
fn described(field: &Value) -> (String, Option<String>) {
    let description = field["description"].as_str().unwrap_or_default().replace('\n', " ");
    match description.split_once(" Default: ") {
        Some((meaning, default)) => {
            (meaning.to_owned(), Some(default.trim_end_matches('.').to_owned()))
        }
        None => (description, None),
    }
}

/// JSON in one line, with spaces as people write it.
fn json(value: &Value) -> String {
    let list = |entries: Vec<String>, open: &str, close: &str| {
        format!("{open}{}{close}", entries.join(", "))
    };
    match value {
        Value::Array(entries) => list(entries.iter().map(json).collect(), "[", "]"),
        Value::Object(fields) => list(members(fields), "{ ", " }"),
        value => value.to_string(),
    }
}

fn members(fields: &Map<String, Value>) -> Vec<String> {
    fields.iter().map(|(name, value)| format!("\"{name}\": {}", json(value))).collect()
}
