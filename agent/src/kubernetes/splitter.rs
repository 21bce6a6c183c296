//! Cuts the items out of a list while it arrives, so that memory holds one object and never a page of them.

use std::collections::VecDeque;

use serde::Deserialize;

/// The longest item that is taken. etcd stores no object over 1.5 MiB; as JSON it can be a few times that.
const LONGEST_ITEM: usize = 16 << 20;

/// What stands around the items: a few hundred bytes, plus the token for the next page.
const LONGEST_ENVELOPE: usize = 256 << 10;

/// What stands around the items of a list.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMetadata {
    /// What the list is a picture of; watches begin here.
    #[serde(default)]
    pub(super) resource_version: String,
    /// Opaque token for the next page; empty on the last one.
    #[serde(default, rename = "continue")]
    pub(super) next: String,
}

/// Not a list, or not the whole of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenList {
    #[error("the list ends in the middle")]
    Unfinished,
    #[error("an item of the list is too long")]
    TooLong,
    #[error("the answer is not a list")]
    NotAList,
}

/// Where between quotation marks the last byte was.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

/// Cuts the items out of a list, part by part.
#[derive(Default)]
pub(super) struct Splitter {
    depth: usize,
    text: Text,
    /// The string that was read last at the top of the list: the name of a field, when a colon follows.
    string: Vec<u8>,
    field_is_items: bool,
    in_items: bool,
    item: Vec<u8>,
    envelope: Vec<u8>,
    items: VecDeque<Vec<u8>>,
}

impl Splitter {
    /// Takes the next part of the answer.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), BrokenList> {
        let mut at = 0;
        while at < part.len() {
            let byte = part[at];
            let begins_item = self.depth == 2 && self.text == Text::Outside && matches!(byte, b'{' | b'[');
            if self.in_items && (self.depth > 2 || begins_item) {
                at += self.push_item(&part[at..]);
            } else {
                self.push_envelope(byte)?;
                at += 1;
            }
        }
        if self.item.len() > LONGEST_ITEM {
            return Err(BrokenList::TooLong);
        }
        if self.envelope.len() > LONGEST_ENVELOPE {
            return Err(BrokenList::NotAList);
        }
        Ok(())
    }

    /// Takes as much of an item as there is; how many bytes that is.
    fn push_item(&mut self, part: &[u8]) -> usize {
        let mut at = 0;
        while at < part.len() {
            match self.text {
                Text::Escaped => {
                    self.text = Text::Inside;
                    at += 1;
                }
                // Most bytes are in strings, and of these only two mean anything.
                Text::Inside => match memchr::memchr2(b'"', b'\\', &part[at..]) {
                    Some(length) => {
                        at += length + 1;
                        self.text = if part[at - 1] == b'\\' { Text::Escaped } else { Text::Outside };
                    }
                    None => at = part.len(),
                },
                Text::Outside => {
                    match part[at] {
                        b'"' => self.text = Text::Inside,
                        b'{' | b'[' => self.depth += 1,
                        b'}' | b']' => self.depth -= 1,
                        _ => {}
                    }
                    at += 1;
                    if self.depth == 2 {
                        self.item.extend_from_slice(&part[..at]);
                        self.items.push_back(std::mem::take(&mut self.item));
                        return at;
                    }
                }
            }
        }
        self.item.extend_from_slice(part);
        at
    }

    /// Takes a byte of what stands around the items.
    fn push_envelope(&mut self, byte: u8) -> Result<(), BrokenList> {
        match (self.text, byte) {
            (Text::Outside, b'"') => {
                self.text = Text::Inside;
                self.string.clear();
            }
            (Text::Outside, b'{' | b'[') => self.depth += 1,
            (Text::Outside, b'}' | b']') => self.depth = self.depth.checked_sub(1).ok_or(BrokenList::NotAList)?,
            (Text::Outside, b':') if self.depth == 1 => self.field_is_items = self.string == b"items",
            (Text::Outside, b',') if self.depth == 1 => self.field_is_items = false,
            (Text::Outside, _) => {}
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside | Text::Escaped, _) => {
                self.text = Text::Inside;
                if self.depth == 1 && self.string.len() < 16 {
                    self.string.push(byte);
                }
            }
        }
        if !self.in_items {
            self.envelope.push(byte);
        }
        if self.in_items && self.depth == 1 {
            self.in_items = false;
            self.envelope.push(byte);
        } else if self.field_is_items && self.depth == 2 && byte == b'[' && self.text == Text::Outside {
            self.in_items = true;
        }
        Ok(())
    }

    /// The next item that is whole.
    pub(super) fn next_item(&mut self) -> Option<Vec<u8>> {
        self.items.pop_front()
    }

    /// What stood around the items. The answer has ended.
    pub(super) fn finish(&mut self) -> Result<ListMetadata, BrokenList> {
        #[derive(Deserialize)]
        struct Envelope {
            metadata: ListMetadata,
        }
        if self.depth != 0 || self.text != Text::Outside || self.envelope.is_empty() {
            return Err(BrokenList::Unfinished);
        }
        let Envelope { metadata } = serde_json::from_slice(&self.envelope).map_err(|_| BrokenList::NotAList)?;
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn split(text: &str, part: usize) -> Result<(Vec<Value>, ListMetadata), BrokenList> {
        let mut splitter = Splitter::default();
        let mut items = Vec::new();
        for part in text.as_bytes().chunks(part.max(1)) {
            splitter.push(part)?;
            while let Some(item) = splitter.next_item() {
                items.push(serde_json::from_slice(&item).unwrap());
            }
        }
        Ok((items, splitter.finish()?))
    }

    #[test]
    fn a_list() {
        let list = r#"{ "kind":"items", "apiVersion":"v1","metadata":{"resourceVersion":"12","continue":"ab\"c","items":[{}]},
            "items": [ {"a":"}]\"","items":[{"x":[]}]} , {} ], "z":[1,{"items":[2]}] }"#;
        for part in [1, 2, 3, 7, 1000] {
            let (items, metadata) = split(list, part).unwrap();
            assert_eq!(items, vec![json!({"a": "}]\"", "items": [{"x": []}]}), json!({})]);
            assert_eq!(metadata, ListMetadata { resource_version: "12".to_owned(), next: "ab\"c".to_owned() });
        }
    }

    #[test]
    fn empty_lists() {
        for list in [r#"{"metadata":{},"items":[]}"#, r#"{"metadata":{},"items":null}"#, r#"{"metadata":{}}"#] {
            assert_eq!(split(list, 4).unwrap(), (vec![], ListMetadata::default()));
        }
    }

    #[test]
    fn broken_lists() {
        let list = r#"{"metadata":{"resourceVersion":"1"},"items":[{"a":"b"},{"c":1}]}"#;
        for end in 0..list.len() {
            assert!(split(&list[..end], 5).is_err(), "{end}");
        }
        for other in ["[]", "\"x\"", "1", "]", "{}", "{\"metadata\":1}"] {
            assert!(split(other, 5).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_item_comes_out(texts in prop::collection::vec(".*", 0..9), part in 1_usize..40) {
            let items: Vec<Value> = texts.iter().map(|text| json!({"text": text, (text.as_str()): [{"deep": text}]})).collect();
            let list = json!({"items": items, "metadata": {"resourceVersion": "3"}}).to_string();
            let (read, metadata) = split(&list, part).unwrap();
            prop_assert_eq!(read, items);
            prop_assert_eq!(metadata.resource_version, "3");
        }

        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut splitter = Splitter::default();
            if splitter.push(&bytes).is_ok() {
                let _ = splitter.finish();
            }
        }
    }
}
