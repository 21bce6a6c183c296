//! How pages read: JSON there and back, like the framework's own protocol, with two differences. An answer that says
//! "sign in" leads there also when it is an error. And what does not depend on the types is compiled once rather than for
//! each function, which keeps the browser's part small.

use std::{future::Future, pin::Pin};

use http::Method;
use kubewise_contract::UiError;
use leptos::server_fn::{
    Protocol,
    client::Client,
    codec::{FromReq, IntoRes, Json},
    error::FromServerFnError,
    redirect::call_redirect_hook,
    request::ClientReq,
    response::ClientRes,
    server::Server,
};
use serde::{Serialize, de::DeserializeOwned};

const JSON: &str = "application/json";
/// As browsers write forms.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The protocol of functions that read.
pub(crate) struct Read;

impl<Input, Output, C, S> Protocol<Input, Output, C, S, UiError> for Read
where
    Input: Serialize + FromReq<Json, S::Request, UiError> + Send,
    Output: DeserializeOwned + IntoRes<Json, S::Response, UiError> + Send,
    C: Client<UiError>,
    S: Server<UiError>,
{
    const METHOD: Method = Method::POST;

    async fn run_server<F, Fut>(request: S::Request, server_fn: F) -> Result<S::Response, UiError>
    where
        F: Fn(Input) -> Fut + Send,
        Fut: Future<Output = Result<Output, UiError>> + Send,
    {
        let input = Input::from_req(request).await?;
        server_fn(input).await?.into_res().await
    }

    async fn run_client(path: &str, input: Input) -> Result<Output, UiError> {
        let body = serde_json::to_string(&input).map_err(|_| UiError::Internal)?;
        let answer = ask::<C>(path, JSON, body).await?;
        serde_json::from_str(&answer).map_err(|_| UiError::Transport)
    }
}

pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<String, UiError>> + Send + 'a>>;

/// Asks the server, and follows where the answer leads. `content`: how the body is written.
pub(crate) fn ask<'a, C: Client<UiError>>(path: &'a str, content: &'a str, body: String) -> Answer<'a> {
    Box::pin(async move {
        let request = C::Request::try_new_post(path, content, JSON, body)?;
        let response = C::send(request).await?;
        let status = response.status();
        let leads_to = response.has_redirect().then(|| response.location());
        let text = response.try_into_string().await?;
        if let Some(address) = leads_to {
            call_redirect_hook(&address);
        }
        if (400..=599).contains(&status) { Err(UiError::de(text.into())) } else { Ok(text) }
    })
}
