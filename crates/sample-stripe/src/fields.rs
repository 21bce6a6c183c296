//! The fields of a request, from its query or its form.

use std::collections::BTreeMap;

use axum::{
    body::{Body, to_bytes},
    extract::{Form, FromRequest, Query, Request},
};
use serde_json::{Value, json};

use crate::refused::Refused;

/// More than any request here has.
const LONGEST_BODY: usize = 1 << 20;

/// Fields by their names, brackets and all.
pub(crate) type Fields = BTreeMap<String, String>;

/// Reads the query, and the form when there is one.
pub(crate) async fn read(request: Request) -> Result<Fields, Refused> {
    let (parts, body) = request.into_parts();
    let unreadable =
        |error: &dyn std::fmt::Display| Refused::invalid("", format!("the request is unreadable: {error}"));
    let query: Query<Vec<(String, String)>> = Query::try_from_uri(&parts.uri).map_err(|e| unreadable(&e))?;
    let mut fields: Fields = query.0.into_iter().collect();
    let body = to_bytes(body, LONGEST_BODY).await.map_err(|e| unreadable(&e))?;
    if !body.is_empty() {
        let request = Request::from_parts(parts, Body::from(body));
        let form: Form<Vec<(String, String)>> = Form::from_request(request, &()).await.map_err(|e| unreadable(&e))?;
        fields.extend(form.0);
    }
    Ok(fields)
}

/// A field that must be there.
pub(crate) fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Refused> {
    fields.get(name).map(String::as_str).filter(|text| !text.is_empty()).ok_or_else(|| Refused::missing(name))
}

/// A whole number, when the field is there.
pub(crate) fn integer(fields: &Fields, name: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = fields.get(name) else { return Ok(None) };
    let number = text.parse().map_err(|_| Refused::invalid(name, format!("Invalid integer: {text}")));
    number.map(Some).map_err(|refused| refused.code("parameter_invalid_integer"))
}

/// Yes or no, when the field is there.
pub(crate) fn boolean(fields: &Fields, name: &str) -> Result<Option<bool>, Refused> {
    match fields.get(name).map(String::as_str) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(text) => Err(Refused::invalid(name, format!("Invalid boolean: {text}"))),
    }
}

/// `prefix[key]` by key.
pub(crate) fn under<'a>(fields: &'a Fields, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    fields.iter().filter_map(move |(name, value)| {
        let key = name.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
        Some((key, value.as_str()))
    })
}

/// A text as Stripe answers it: null when there is none.
pub(crate) fn or_null(text: Option<&String>) -> Value {
    text.filter(|text| !text.is_empty()).map_or(Value::Null, |text| json!(text))
}
