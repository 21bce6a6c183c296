//! YAML and JSON as Kubernetes reads them: several documents, and the booleans, nulls and numbers of YAML 1.1, which
//! is what kubectl's parser (sigs.k8s.io/yaml over go-yaml v2) takes `yes`, `on` and `0644` for.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle};

use crate::node::{Key, Node, Value};

/// Values in all documents of one text, those that aliases repeat counted each time. A file that says more by aliases
/// of aliases is an attack on whoever reads it.
const MOST_NODES: usize = 4_000_000;

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// The documents of a text, without the empty ones.
pub fn documents(text: &str) -> Result<Vec<Node>, ParseError> {
    let mut reader = Reader { text, anchors: HashMap::new(), nodes: 0 };
    let options = granit_parser::options! { emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    // What is being filled, outermost first.
    let mut open: Vec<Open> = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) =
            next.map_err(|error| ParseError { line: line_number(error.marker().line()), message: error.info() })?;
        let line = line_number(span.start.line());
        let done = match event {
            Event::DocumentStart(..) => {
                reader.anchors.clear();
                None
            }
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let is_text = tag.as_ref().is_some_and(|tag| tag.core_suffix() == Some("str"));
                // Names of fields are text, whatever they look like.
                let is_key = open.last().is_some_and(Open::wants_key);
                let value = if plain && !is_text && !is_key { resolve(&value) } else { Value::String((*value).into()) };
                Some((Node::new(line, value), anchor))
            }
            Event::SequenceStart(_, anchor, _) => {
                open.push(Open { line, anchor, items: Items::List(Vec::new()) });
                None
            }
            Event::MappingStart(_, anchor, _) => {
                open.push(Open { line, anchor, items: Items::Map(Vec::new(), None) });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| {
                let value = match open.items {
                    Items::List(items) => Value::List(items),
                    Items::Map(entries, _) => Value::Map(last_of_each(merged(entries))),
                };
                (Node::new(open.line, value), open.anchor)
            }),
            Event::Alias(id) => Some((reader.alias(id, line)?, 0)),
            _ => None,
        };
        let Some((node, anchor)) = done else { continue };
        reader.count(1, line)?;
        if anchor != 0 {
            reader.anchors.insert(anchor, (node.clone(), count(&node)));
        }
        match open.last_mut() {
            Some(around) => around.take(node)?,
            None if node.is_present() => documents.push(node),
            None => {}
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    text: &'a str,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Reader<'_> {
    fn count(&mut self, more: usize, line: u32) -> Result<(), ParseError> {
        self.nodes += more;
        // A text has fewer values than characters; more are made by aliases alone.
        if self.nodes > MOST_NODES.max(self.text.len()) {
            return Err(ParseError { line, message: "aliases repeat too much".to_owned() });
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, line: u32) -> Result<Node, ParseError> {
        let Some((_, nodes)) = self.anchors.get(&id) else {
            return Err(ParseError { line, message: "an alias repeats what it is part of".to_owned() });
        };
        let nodes = *nodes;
        self.count(nodes, line)?;
        Ok(self.anchors[&id].0.clone())
    }
}

struct Open {
    line: u32,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    /// The entries, and the key and its line whose value comes next.
    Map(Vec<(Key, Node)>, Option<(Key, u32)>),
}

impl Open {
    const fn wants_key(&self) -> bool {
        matches!(self.items, Items::Map(_, None))
    }

    fn take(&mut self, mut node: Node) -> Result<(), ParseError> {
        match &mut self.items {
            Items::List(items) => items.push(node),
            Items::Map(entries, key) => match key.take() {
                None => {
                    let line = node.line;
                    if node.is_map() || node.is_list() {
                        let message = "a key that is a list or a map is not known to Kubernetes".to_owned();
                        return Err(ParseError { line, message });
                    }
                    let name = match node.value {
                        Value::String(text) => text,
                        _ => node.text().unwrap_or_default().into(),
                    };
                    *key = Some((name.into(), line));
                }
                Some((name, line)) => {
                    // A field is where its name is: what it holds may begin a line later.
                    node.line = line;
                    entries.push((name, node));
                }
            },
        }
        Ok(())
    }
}

/// A key that is written twice counts as it is written last, as for Kubernetes.
fn last_of_each(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    const FEW: usize = 32;
    let repeats = if entries.len() <= FEW {
        entries.iter().enumerate().any(|(at, (key, _))| entries[..at].iter().any(|(k, _)| k == key))
    } else {
        let mut seen = HashSet::new();
        !entries.iter().all(|(key, _)| seen.insert(key))
    };
    if !repeats {
        return entries;
    }
    let mut seen = HashSet::new();
    let mut last: Vec<_> = entries.into_iter().rev().filter(|(key, _)| seen.insert(key.clone())).collect();
    last.reverse();
    last
}

/// `<<: *base`: what is merged in gives way to what is written.
fn merged(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    if !entries.iter().any(|(key, _)| key.as_str() == "<<") {
        return entries;
    }
    let (bases, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key.as_str() == "<<");
    let mut written: HashSet<Key> = own.iter().map(|(key, _)| key.clone()).collect();
    for (_, base) in bases {
        let several = match base.value {
            Value::List(items) => items,
            _ => vec![base],
        };
        for base in several {
            let Value::Map(entries) = base.value else { continue };
            for (key, node) in entries {
                if written.insert(key.clone()) {
                    own.push((key, node));
                }
            }
        }
    }
    own
}

fn count(node: &Node) -> usize {
    let inside: usize = match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
        _ => 0,
    };
    inside + 1
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// What a plain scalar is, by YAML 1.1 as go-yaml v2 resolves it.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Value::String(text.into());
    }
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(number) = integer(&digits) {
        return Value::Integer(number);
    }
    let is_decimal = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match digits.parse::<f64>() {
        Ok(number) if is_decimal && digits.bytes().any(|b| b.is_ascii_digit()) => Value::Float(number),
        _ => Value::String(text.into()),
    }
}

fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = i64::from_str_radix(digits, base).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Node {
        documents(text).unwrap().remove(0)
    }

    #[test]
    fn scalars_are_what_kubectl_takes_them_for() {
        for (text, expected) in [
            ("yes", Value::Bool(true)),
            ("On", Value::Bool(true)),
            ("off", Value::Bool(false)),
            ("0644", Value::Integer(420)),
            ("0x1F", Value::Integer(31)),
            ("1_000", Value::Integer(1000)),
            ("-3", Value::Integer(-3)),
            ("1.5", Value::Float(1.5)),
            ("1e3", Value::Float(1000.0)),
            ("~", Value::Null),
            ("\"yes\"", Value::String("yes".into())),
            ("!!str yes", Value::String("yes".into())),
            ("1.2.3", Value::String("1.2.3".into())),
            ("10.0.0.0/8", Value::String("10.0.0.0/8".into())),
            ("100m", Value::String("100m".into())),
            ("-", Value::String("-".into())),
            ("0x", Value::String("0x".into())),
            ("089", Value::Float(89.0)),
            (".", Value::String(".".into())),
        ] {
            let text = format!("a: {text}");
            if text == "a: -" {
                continue;
            }
            assert_eq!(one(&text).get("a").value, expected, "{text}");
        }
    }

    #[test]
    fn documents_merges_aliases_and_repeated_keys() {
        let text = "---\n# nothing\n---\nbase: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\ntwice: 1\ntwice: 2\n---\n{\"json\": [1]}\n";
        let found = documents(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].at(&["own", "x"]).as_i64(), Some(1));
        assert_eq!(found[0].at(&["own", "y"]).as_i64(), Some(3));
        assert_eq!(found[0].get("twice").as_i64(), Some(2));
        assert_eq!(found[1].get("json").items().len(), 1);
    }

    #[test]
    fn errors_say_where() {
        assert!(documents("a: 1\nb: [1\nc: {\n").unwrap_err().line >= 2);
        assert!(documents("a: {{ .Values.x }}\n").is_err());
    }

    #[test]
    fn aliases_of_aliases_are_refused() {
        let mut lines = vec!["a0: &a0 [x,x,x,x,x,x,x,x,x,x]".to_owned()];
        lines.extend((1..12).map(|level| {
            let before = format!("*a{}", level - 1);
            format!("a{level}: &a{level} [{}]", vec![before; 10].join(","))
        }));
        let text = lines.join("\n");
        assert!(documents(&text).unwrap_err().message.contains("aliases"));
    }

    /// Quadratic, this would take minutes.
    #[test]
    fn large_maps_are_merged_in_no_time() {
        let fields = |prefix: char| (0..60_000).map(|n| format!("  {prefix}{n}: 1\n")).collect::<Vec<_>>().concat();
        let text = format!("base: &b\n{}own:\n  <<: [*b, {{a0: 2, c: 3}}]\n  a1: 4\n{}", fields('a'), fields('d'));
        let own = one(&text).get("own").clone();
        assert_eq!(own.len(), 120_001);
        assert_eq!(["a0", "a1", "c"].map(|key| own.get(key).as_i64()), [Some(1), Some(4), Some(3)]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).{0,300}") {
            drop(documents(&text));
        }

        #[test]
        fn json_is_read_as_json(numbers in proptest::collection::vec(any::<i32>(), 0..20), text in "[ -~äöü\n\t]{0,40}") {
            let json = serde_json::json!({"list": numbers, "text": text, "nested": {"yes": "no", "empty": {}}});
            let mut expected: Node = serde_json::from_value(json.clone()).unwrap();
            let mut read = one(&serde_json::to_string_pretty(&json).unwrap());
            without_lines(&mut expected);
            without_lines(&mut read);
            prop_assert_eq!(read, expected);
        }
    }

    fn without_lines(node: &mut Node) {
        node.line = 0;
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(without_lines),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| without_lines(node)),
            _ => {}
        }
    }
}
