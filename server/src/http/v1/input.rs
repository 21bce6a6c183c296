//! What a request says: its query and its body, read strictly. What is not known is refused: a misspelt filter would
//! silently filter nothing.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
};
use http::request::Parts;
use kubewise_contract::ClusterName;
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use time::{Date, macros::format_description};
use utoipa::ToSchema;

use super::problem::{Kind, Problem};

/// The query of an address.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // The text quotes the request and names our parameters, and nothing else.
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|refused| Problem::new(Kind::BadRequest, refused.body_text()))
    }
}

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = Json::from_request(request, state).await;
        read.map(|Json(body)| Self(body)).map_err(|refused| match refused {
            JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_) => {
                Problem::new(Kind::of(refused.status()), refused.body_text())
            }
            refused => Problem::of(Kind::of(refused.status())),
        })
    }
}

/// What a cluster is to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// 1 to 63 of lower-case letters, digits, `-` and `.`, a letter or digit first and last; no other cluster's.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", example = "eu-prod")]
    name: String,
}

impl Named {
    /// The name, if it is one. People's input is trimmed; a script says what it means.
    pub(super) fn parse(&self) -> Result<ClusterName, Problem> {
        let name =
            ClusterName::parse(&self.name).map_err(|error| Problem::from(kubewise_backend::Error::from(error)))?;
        if name.as_str() == self.name {
            Ok(name)
        } else {
            Err(Problem::new(Kind::Invalid, "The cluster's name begins or ends with white space."))
        }
    }
}

/// A day: `2026-11-23`.
#[derive(Clone, Copy, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-11-23")]
pub(super) struct Day(pub(super) Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_digits = text.len() == 10 && text.starts_with(|c: char| c.is_ascii_digit());
        let day = Date::parse(&text, format_description!("[year]-[month]-[day]"));
        day.ok().filter(|_| is_digits).map(Self).ok_or_else(|| D::Error::custom("a day is written as 2026-11-23"))
    }
}
