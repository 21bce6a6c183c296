//! A manifest as a tree that remembers where each value was written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value of a manifest, and the line that it begins on.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from 1; 0 where it is not known.
    pub(crate) line: u32,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(Box<str>),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The name of a field. Its first letters are beside it: nearly every other name is told from it by them and the length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    head: u64,
    text: Box<str>,
}

impl Key {
    pub(crate) const fn as_str(&self) -> &str {
        &self.text
    }

    #[inline]
    fn is(&self, text: &str) -> bool {
        self.head == head(text) && self.text.len() == text.len() && (text.len() <= HEAD || *self.text == *text)
    }
}

impl From<Box<str>> for Key {
    fn from(text: Box<str>) -> Self {
        Self { head: head(&text), text }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Box::<str>::from(text).into()
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer).map(Self::from)
    }
}

const HEAD: usize = 8;

/// The first letters as a number; known when it is compiled, where the text is.
#[inline]
const fn head(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (mut head, mut at) = (0, 0);
    while at < HEAD && at < bytes.len() {
        head |= (bytes[at] as u64) << (8 * at);
        at += 1;
    }
    head
}

static ABSENT: Node = Node { line: 0, value: Value::Null };

impl Node {
    /// What stands where nothing is written.
    pub fn absent() -> &'static Self {
        &ABSENT
    }

    pub(crate) const fn new(line: u32, value: Value) -> Self {
        Self { line, value }
    }

    /// The line it begins on, counted from 1; 0 where it is not known.
    pub const fn line(&self) -> u32 {
        self.line
    }

    /// The value of a key of a map. Absent for what is not a map or does not have it, so that look-ups can be chained:
    /// objects have few keys, and a walk through them is faster than a hash.
    #[inline]
    pub fn get(&self, key: &str) -> &Self {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name.is(key)).map_or(&ABSENT, |(_, node)| node),
            _ => &ABSENT,
        }
    }

    /// The value at the end of several keys.
    pub fn at(&self, keys: &[&str]) -> &Self {
        keys.iter().fold(self, |node, key| node.get(key))
    }

    /// Whether something is written here: neither absent nor `null`.
    pub const fn is_present(&self) -> bool {
        !matches!(self.value, Value::Null)
    }

    /// Whether it is `true`.
    pub const fn is_true(&self) -> bool {
        matches!(self.value, Value::Bool(true))
    }

    /// Whether it is `false`; absent is not.
    pub const fn is_false(&self) -> bool {
        matches!(self.value, Value::Bool(false))
    }

    /// A boolean.
    pub const fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number.
    pub const fn as_i64(&self) -> Option<i64> {
        match self.value {
            Value::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// A string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A string; empty for anything else.
    pub fn str(&self) -> &str {
        self.as_str().unwrap_or_default()
    }

    /// A string, or a number as it is written: what `IntOrString` and quantities are.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.to_string()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The strings of a list.
    pub fn strings(&self) -> impl Iterator<Item = &str> + Clone {
        self.items().iter().filter_map(Self::as_str)
    }

    /// Whether a list has this string.
    pub fn has(&self, text: &str) -> bool {
        self.strings().any(|item| item == text)
    }

    /// The keys and values of a map, in the order they are written; none for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Self)> + Clone {
        let entries = match &self.value {
            Value::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Whether it is a map.
    pub const fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Whether it is a list.
    pub const fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// How many items or entries it has.
    pub const fn len(&self) -> usize {
        match &self.value {
            Value::List(items) => items.len(),
            Value::Map(entries) => entries.len(),
            _ => 0,
        }
    }

    /// Whether it has no items or entries.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line of what a path of [`crate::Spot`] names, as `spec.containers[0].image`, or of the nearest thing around it that is written.
    pub fn line_of(&self, path: &str) -> u32 {
        let (mut node, mut line) = (self, self.line);
        for step in steps(path) {
            node = match step {
                Step::Key(key) => node.get(key),
                Step::Index(index) => node.items().get(index).unwrap_or(&ABSENT),
            };
            if node.line == 0 {
                break;
            }
            line = node.line;
        }
        line
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `spec.containers[0].x["a.b/c"]`: keys, indices and quoted keys.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]")?;
            rest = after;
            return Some(Step::Key(key));
        }
        if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            rest = after;
            return index.parse().ok().map(Step::Index);
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        rest = after;
        (!key.is_empty()).then_some(Step::Key(key))
    })
}

/// From JSON: without lines.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::new(0, Value::Null))
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::new(0, Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::new(0, Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::new(0, Value::Integer(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                #[expect(clippy::cast_precision_loss, reason = "no field of Kubernetes is that large")]
                Ok(Node::new(0, i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::new(0, Value::Float(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::new(0, Value::String(value.into())))
            }

            fn visit_string<E>(self, value: String) -> Result<Node, E> {
                Ok(Node::new(0, Value::String(value.into())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::new(0, Value::List(list)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Node::new(0, Value::Map(map)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_of_what_is_not_there_go_on() {
        let node: Node = serde_json::from_str(r#"{"a": {"b": [true, "x", 3, null, 1.5]}}"#).unwrap();
        let list = node.at(&["a", "b"]);
        assert!(list.items()[0].is_true() && list.has("x") && !list.has("y"));
        assert_eq!((list.items()[2].as_i64(), list.items()[4].text()), (Some(3), Some("1.5".to_owned())));
        assert!(!list.items()[3].is_present() && !node.at(&["a", "nothing", "at", "all"]).is_present());
        assert_eq!(node.get("a").get("b").get("c"), Node::absent());
    }

    #[test]
    fn paths_lead_to_the_nearest_line() {
        let text = "a:\n  b:\n    - x: 1\n      \"k.l/m\": 2\n";
        let node = &crate::yaml::documents(text).unwrap()[0];
        assert_eq!(node.line_of("a.b[0].x"), 3);
        assert_eq!(node.line_of("a.b[0][\"k.l/m\"]"), 4);
        assert_eq!(node.line_of("a.b[0].missing.more"), 3);
        assert_eq!(node.line_of("a.b[7].x"), 2);
        assert_eq!(node.line_of(""), 1);
    }
}
