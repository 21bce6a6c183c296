//! The description of the API as text for people: the page of the documentation shows what `/v1/openapi.json` says.

use std::fmt::Write;

use serde_json::{Map, Value};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The description, as Markdown.
pub(super) fn reference(openapi: &Value) -> String {
    let mut out = "\n## Every route\n".to_owned();
    for (path, item) in object(openapi, "/paths") {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                // Writing to a String does not fail.
                let _ = write!(out, "\n### {} {path}\n\n{}", method.to_uppercase(), operation_text(openapi, operation));
            }
        }
    }
    out.push_str("\n## Every shape\n");
    for (name, schema) in object(openapi, "/components/schemas") {
        let _ = write!(out, "\n### {name}\n\n{}", schema_text(schema));
    }
    out
}

fn operation_text(openapi: &Value, operation: &Value) -> String {
    let mut out = format!("{}. {}\n\n", text(operation, "/summary"), text(operation, "/description"));
    let parameters = operation.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        out.push_str("| parameter | | |\n|---|---|---|\n");
        for parameter in parameters {
            let required = if parameter.get("required") == Some(&Value::Bool(true)) { ", required" } else { "" };
            let _ = writeln!(
                out,
                "| `{}` | {}{required} | {} |",
                text(parameter, "/name"),
                text(parameter, "/in"),
                cell(text(parameter, "/description")),
            );
        }
        out.push('\n');
    }
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        let _ = write!(out, "Body: {}\n\n", kind(schema));
    }
    out.push_str("| answer | | |\n|---|---|---|\n");
    for (status, response) in object(operation, "/responses") {
        let (about, link) = match response.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next()) {
            Some(problem) => {
                let told = openapi.pointer(&format!("/components/responses/{problem}"));
                (told.map_or("", |told| text(told, "/description")), format!("[{problem}](#{problem})"))
            }
            None => {
                let schema = response.pointer("/content/application~1json/schema");
                (text(response, "/description"), schema.map(kind).unwrap_or_default())
            }
        };
        let _ = writeln!(out, "| {status} | {link} | {} |", cell(about));
    }
    out
}

fn schema_text(schema: &Value) -> String {
    let mut out = format!("{}\n\n", text(schema, "/description"));
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        let _ = write!(out, "One of {}.\n\n", words.join(", "));
    }
    let fields: Vec<_> = object(schema, "/properties").collect();
    if !fields.is_empty() {
        out.push_str("| field | | |\n|---|---|---|\n");
        for (name, field) in fields {
            let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
            let _ = writeln!(out, "| `{name}` | {}{optional} | {} |", kind(field), cell(text(field, "/description")));
        }
    }
    out
}

/// What sort of thing it is, with a link to its shape.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema.get(several).and_then(Value::as_array) {
            return all.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            let of = schema.get("items").map(self::kind).unwrap_or_default();
            format!("list of {of}")
        }
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn object<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// On one line, without what would end a cell.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
