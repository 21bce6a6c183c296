//! Manifests, lightly coloured: keys, text, numbers and what the agent removed. The result is HTML in which everything
//! that came from the cluster is escaped.

use std::fmt::Write as _;

/// What the agent writes where it removed a value.
const REMOVED: &str = "[removed]";

/// Block-style YAML, as the server writes it, as HTML.
pub(crate) fn highlight(yaml: &str) -> String {
    let mut html = String::with_capacity(yaml.len() * 2);
    // Indentation of the key whose block of text is being read.
    let mut block: Option<usize> = None;
    for line in yaml.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if block.is_some_and(|of| line.trim().is_empty() || indent > of) {
            span(&mut html, "s", line);
        } else {
            block = None;
            html.push_str(&line[..indent]);
            if let Some(of) = code(&mut html, &line[indent..], indent) {
                block = Some(of);
            }
        }
        html.push('\n');
    }
    html
}

/// One line without its indentation. Answers the indentation of its key when a block of text follows.
fn code(html: &mut String, mut rest: &str, mut indent: usize) -> Option<usize> {
    if rest.starts_with('#') || rest == "---" {
        span(html, "p", rest);
        return None;
    }
    while let Some(after) = rest.strip_prefix("- ") {
        span(html, "p", "-");
        html.push(' ');
        rest = after;
        indent += 2;
    }
    if rest == "-" {
        span(html, "p", "-");
        return None;
    }
    let Some((key, value)) = key_and_value(rest) else {
        scalar(html, rest);
        return None;
    };
    span(html, "k", key);
    span(html, "p", ":");
    html.push_str(&value[..value.len() - value.trim_start_matches(' ').len()]);
    let value = value.trim_start_matches(' ');
    if value.starts_with('|') || value.starts_with('>') {
        span(html, "p", value);
        return Some(indent);
    }
    if !value.is_empty() {
        scalar(html, value);
    }
    None
}

/// Splits at the first colon that ends a key: one before a space or the end of the line, outside quotes.
fn key_and_value(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let from = match quote {
        Some(q) => 1 + text[1..].find(q)? + 1,
        None => 0,
    };
    let at = text[from..]
        .match_indices(':')
        .map(|(i, _)| from + i)
        .find(|i| matches!(text.as_bytes().get(i + 1), None | Some(b' ')))?;
    Some((&text[..at], &text[at + 1..]))
}

fn scalar(html: &mut String, value: &str) {
    let bare = value.trim_matches(['"', '\'']);
    let class = if bare == REMOVED {
        "x"
    } else if matches!(value, "true" | "false" | "null" | "~" | "{}" | "[]") || is_number(value) {
        "n"
    } else {
        "s"
    };
    span(html, class, value);
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let whole = digits.split('.').next().unwrap_or_default();
    !whole.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.matches('.').count() <= 1
}

fn span(html: &mut String, class: &str, text: &str) {
    // Writing to a String does not fail.
    let _ = write!(html, "<span class=\"{class}\">");
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
    html.push_str("</span>");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that a browser would show.
    fn shown(html: &str) -> String {
        let mut out = String::new();
        let mut tag = false;
        for c in html.chars() {
            match c {
                '<' => tag = true,
                '>' => tag = false,
                c if !tag => out.push(c),
                _ => {}
            }
        }
        out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    #[test]
    fn nothing_is_lost_and_nothing_becomes_markup() {
        let yaml = "apiVersion: v1\nmetadata:\n  name: \"<script>alert(1)</script>\"\n  annotations:\n    \"a: b\": c&d\nspec:\n  - name: x\n    args:\n    - --url=http://x:80\n    - '[removed]'\n  script: |\n    echo \"a: b\"\n\n    exit 0\n  n: 4\n";
        let html = highlight(yaml);
        assert_eq!(shown(&html), yaml);
        assert!(!html.contains("<script"));
        assert!(html.contains("<span class=\"x\">'[removed]'</span>"));
        assert!(html.contains("<span class=\"s\">    echo &quot;a: b&quot;</span>"));
        assert!(html.contains("<span class=\"n\">4</span>"));
    }

    #[test]
    fn odd_lines_are_shown_as_they_are() {
        for yaml in ["\n", ":\n", "-\n", "- - a\n", "\"unclosed\n", "é: ü\n", "a:b\n", "# c\n"] {
            assert_eq!(shown(&highlight(yaml)), yaml);
        }
    }
}
