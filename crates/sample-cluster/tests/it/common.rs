//! A client that knows nothing but HTTP and JSON.

use anyhow::{Context, Result};
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use kubewise_sample_cluster::{SampleCluster, ServeHandle};
use serde_json::Value;

/// A served cluster and a client of it.
pub(crate) struct Served {
    pub(crate) cluster: SampleCluster,
    pub(crate) handle: ServeHandle,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Served {
    pub(crate) async fn new(cluster: SampleCluster) -> Self {
        let handle = cluster.serve(0).await.unwrap();
        Self { cluster, handle, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Status and JSON of a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let response = self.client.get(format!("{}{path}", self.handle.url()).parse()?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.context("the body broke off")?.to_bytes();
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// A list that must succeed.
    pub(crate) async fn list(&self, path: &str) -> Value {
        let (status, list) = self.get(path).await.unwrap();
        assert_eq!(status, 200, "{path}: {list}");
        list
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str, query: &str) -> Watch {
        let uri = format!("{}{path}?watch=true&{query}", self.handle.url());
        let response = self.client.get(uri.parse().unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        Watch { body: Body::new(response.into_body()), buffer: Vec::new() }
    }
}

/// The events of a watch.
pub(crate) struct Watch {
    body: Body,
    buffer: Vec<u8>,
}

impl Watch {
    /// The next event; none at the end; an error when the connection broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => self.buffer.extend_from_slice(&frame?.into_data().unwrap_or_default()),
            }
        }
    }

    /// Type and name of the next event.
    pub(crate) async fn event(&mut self) -> (String, String) {
        let event = self.next().await.unwrap().expect("the watch goes on");
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

/// Names of a list's items.
pub(crate) fn names(list: &Value) -> Vec<String> {
    let name = |o: &Value| {
        format!("{}/{}", o["metadata"]["namespace"].as_str().unwrap_or(""), o["metadata"]["name"].as_str().unwrap())
    };
    list["items"].as_array().unwrap().iter().map(name).collect()
}
