//! Reads what kernels are called with: the structures of `kernels/` that are described by `///`, which Rust
//! then has from there and nowhere else.
//!
//! Such a structure is plain: a line `struct NAME {`, lines `TYPE NAME;` or `TYPE NAME[COUNT];` each below
//! its own description, and a line `};`. Types are those of [`rust_type`].

use std::fmt::Write;

/// The structures of one file as input of the macro `arguments!`: name of the file, descriptions, fields.
///
/// # Errors
/// Where a description belongs to something else, or a field has none: with the number of the line.
pub fn rust_structures(file: &str, text: &str) -> Result<String, String> {
    let mut out = String::new();
    let (mut description, mut inside) = (String::new(), false);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let refuse = |why: &str| Err(format!("kernels/{file}, line {number}: {why}: {line}"));
        if line.starts_with("///") {
            let _ = writeln!(description, "{}{line}", if inside { "    " } else { "" });
        } else if inside && line == "};" {
            if !description.is_empty() {
                return refuse("no field below this description");
            }
            inside = false;
            out.push_str("}\n");
        } else if inside {
            let Some((name, rust)) = field(line) else {
                return refuse(
                    "neither TYPE NAME; nor TYPE NAME[COUNT]; of a type that Rust knows",
                );
            };
            if description.is_empty() {
                return refuse("a field without a description (///)");
            }
            let _ = writeln!(out, "{}    {name}: {rust},", std::mem::take(&mut description));
        } else if !description.is_empty() {
            let name = line.strip_prefix("struct ").and_then(|rest| rest.strip_suffix(" {"));
            let Some(name) = name.filter(|name| is_name(name)) else {
                return refuse("/// describes what Rust passes: struct NAME {");
            };
            let _ =
                writeln!(out, "\n{file:?}\n{}struct {name} {{", std::mem::take(&mut description));
            inside = true;
        }
    }
    if inside || !description.is_empty() {
        return Err(format!("kernels/{file} ends within a structure"));
    }
    Ok(out)
}

/// Name and Rust type of a field.
fn field(line: &str) -> Option<(&str, String)> {
    let (of, name) = line.strip_suffix(';')?.rsplit_once(' ')?;
    let rust = rust_type(of)?;
    match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        None => is_name(name).then(|| (name, rust.to_owned())),
        Some((name, count)) => {
            let count: usize = count.parse().ok()?;
            is_name(name).then(|| (name, format!("[{rust}; {count}]")))
        }
    }
}

/// What a type of CUDA is in Rust; addresses are all alike.
fn rust_type(cuda: &str) -> Option<&'static str> {
    match cuda {
        "u32" => Some("u32"),
        "u64" => Some("u64"),
        "double" => Some("f64"),
        _ => {
            let of = cuda.strip_prefix("const ").unwrap_or(cuda).strip_suffix('*')?;
            is_name(of).then_some("Address")
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
