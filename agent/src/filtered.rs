//! JSON into memory without what is thrown away at once: `managedFields` is half of many objects.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value, read without any field of these names.
pub(crate) fn read(json: &[u8], left_out: &[&str]) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Reader(left_out).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if self.0.contains(&name.as_str()) {
                fields.next_value::<IgnoredAny>()?;
            } else {
                map.insert(name, fields.next_value_seed(self)?);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn managed_fields_are_not_read() {
        let text = r#"{"a":{"managedFields":[{"x":{"y":[1]}}],"b":"é\n"},"c":[1,-2,3.5,null,true]}"#;
        let value = read(text.as_bytes(), &["managedFields"]).unwrap();
        assert_eq!(value, json!({"a": {"b": "é\n"}, "c": [1, -2, 3.5, null, true]}));
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_it_is(numbers in prop::collection::vec(any::<i64>(), 0..9), text in ".*", x in -1e9..1e9) {
            let text = json!({"numbers": numbers, "text": text.as_str(), "x": x, (text.as_str()): {"deep": [text.as_str()]}}).to_string();
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read(text.as_bytes(), &["managedFields"]).unwrap(), value);
        }
    }
}
