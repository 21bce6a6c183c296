//! `--explain` and `--list-rules`: what the catalogue says.

use std::fmt::Write as _;

use kubewise_audit::{Options, Patch, Rule, Severity, format::RuleText, rules};

/// Everything about one rule.
pub(super) fn explain(rule: &Rule) -> String {
    let categories: Vec<&str> = rule.categories.iter().map(|category| category.title()).collect();
    let mut text = format!("{}\n{}\n\n", rule.id, rule.title);
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    line("Severity", rule.severity.title());
    line("Categories", &categories.join(", "));
    for (framework, control) in rule.controls {
        line("Control", &format!("{} {control}", framework.title()));
    }
    if rule.since > kubewise_audit::KubernetesVersion::new(1, 0) {
        line("Since", &format!("Kubernetes {}", rule.since));
    }
    let _ = write!(text, "\nWhy\n{}\n\nWhat to do\n{}\n", folded(rule.why), folded(rule.fix));
    let change = match rule.patch {
        Patch::None => None,
        Patch::Container(fields) => Some(("the container", fields)),
        Patch::Pod(fields) => Some(("the pod's spec", fields)),
        Patch::Object(fields) => Some(("the object", fields)),
    };
    if let Some((place, fields)) = change {
        let _ = writeln!(text, "\nChange in {place}");
        for field in fields.lines() {
            let _ = writeln!(text, "  {field}");
        }
    }
    text += "\nReferences\n";
    for link in rule.references {
        let _ = writeln!(text, "  {link}");
    }
    text
}

/// Rules that the options judge, a line each, worst first.
pub(super) fn list(options: &Options) -> String {
    let mut text = String::new();
    let rules: Vec<&Rule> = rules::all().filter(|rule| options.judges(rule)).collect();
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    for severity in Severity::ALL.iter().rev() {
        for rule in rules.iter().filter(|rule| rule.severity == *severity) {
            let _ = writeln!(text, "{:<10}{:<width$}  {}", rule.severity, rule.id, rule.title);
        }
    }
    text
}

/// The same with all that is said of them, as JSON.
pub(super) fn list_json(options: &Options) -> String {
    let rules: Vec<RuleText> =
        rules::all().filter(|rule| options.judges(rule)).map(|rule| RuleText::new(rule, options)).collect();
    let mut text = serde_json::to_string_pretty(&rules).unwrap_or_default();
    text.push('\n');
    text
}

/// In lines of at most 80 characters, indented.
fn folded(text: &str) -> String {
    const WIDTH: usize = 78;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > WIDTH);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            *line += word;
        }
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
