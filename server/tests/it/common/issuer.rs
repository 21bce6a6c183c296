//! A small OpenID Connect issuer that can misbehave. It is strict with its client: the secret, the redirect address, PKCE
//! and that a code works once are checked.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Form, Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::Clock;

pub(crate) const CLIENT: &str = "kubewise";
const ACCESS: &str = "an-access-token";
pub(crate) const SECRET: &str = "a secret of the client";

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    WrongSignature,
    WrongAudience,
    MoreAudiences,
    OtherParty,
    WrongIssuer,
    Expired,
    NotSigned,
    SignedWithPublicKey,
    SignedWithSecret,
    WrongNonce,
    NoNonce,
    OtherAccessToken,
    NotAnnounced,
    NoIdToken,
    NoToken,
    SlowToken,
    HugeToken,
    Redirects,
    Away,
    HugeDiscovery,
    OtherIssuer,
    OldAuthTime,
    NoAuthTime,
    /// No fault: OpenID Connect Core 1.0 §5.4 has it so.
    SaysWhoAtUserInfo,
    SaysAnotherAtUserInfo,
}

/// Who is signed in there.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) verified: Value,
    pub(crate) name: Value,
}

pub(crate) fn person(subject: &str, email: &str) -> Person {
    Person { subject: subject.to_owned(), email: email.to_owned(), verified: json!(true), name: json!("Maya Duran") }
}

struct Asked {
    nonce: String,
    challenge: String,
    redirect: String,
    fresh: bool,
    person: Person,
}

pub(crate) struct Inside {
    pub(crate) fault: Fault,
    discoveries: u32,
    keys_asked: u32,
    key: (String, EcdsaKeyPair),
    codes: HashMap<String, Asked>,
    person: Option<Person>,
    made: u32,
    clock: Clock,
    url: String,
}

#[derive(Clone)]
pub(crate) struct Issuer(Arc<Mutex<Inside>>);

fn fresh_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

impl Issuer {
    pub(crate) async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self(Arc::new(Mutex::new(Inside {
            fault: Fault::None,
            discoveries: 0,
            keys_asked: 0,
            key: ("one".to_owned(), fresh_key()),
            codes: HashMap::new(),
            person: None,
            made: 0,
            clock,
            url,
        })));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(user_info))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.inside().url.clone()
    }

    /// How often it was asked what it says of itself, and for its keys.
    pub(crate) fn asked(&self) -> (u32, u32) {
        let inside = self.inside();
        (inside.discoveries, inside.keys_asked)
    }

    pub(crate) fn rotate(&self) {
        self.inside().key = ("two".to_owned(), fresh_key());
    }

    /// Somebody agrees at the address that their browser was sent to; where it is sent back to.
    pub(crate) fn agree(&self, url: &str, person: &Person) -> String {
        let asked = parameters(url);
        let mut inside = self.inside();
        assert!(url.starts_with(&format!("{}/authorize?", inside.url)), "{url}");
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut scopes: Vec<&str> = asked["scope"].split(' ').collect();
        scopes.sort_unstable();
        assert_eq!(scopes, ["email", "openid", "profile"]);
        assert!(asked["state"].len() >= 22 && asked["nonce"].len() >= 22, "{url}");
        inside.made += 1;
        let code = format!("code-{}", inside.made);
        let fresh = asked.get("prompt").is_some_and(|p| p == "login") && asked.get("max_age").is_some_and(|a| a == "0");
        let request = Asked {
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
            redirect: asked["redirect_uri"].clone(),
            fresh,
            person: person.clone(),
        };
        inside.codes.insert(code.clone(), request);
        format!("/login/google/callback?code={code}&state={}", asked["state"])
    }
}

/// What stands in the query of an address.
pub(crate) fn parameters(url: &str) -> HashMap<String, String> {
    let (_, query) = url.split_once('?').unwrap_or_default();
    serde_urlencoded(query)
}

fn serde_urlencoded(text: &str) -> HashMap<String, String> {
    let uri: Uri = format!("http://x/?{text}").parse().unwrap();
    axum::extract::Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap().0
}

async fn discovery(State(issuer): State<Issuer>) -> Response {
    let mut inside = issuer.inside();
    inside.discoveries += 1;
    let url = inside.url.clone();
    let named = if inside.fault == Fault::OtherIssuer { "https://evil.example" } else { &url };
    let algorithm = if inside.fault == Fault::NotAnnounced { "RS256" } else { "ES256" };
    match inside.fault {
        Fault::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Fault::HugeDiscovery => huge(),
        _ => Json(json!({
            "issuer": named,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "userinfo_endpoint": format!("{url}/userinfo"),
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            // It announces too much: what has no key of its own is refused all the same.
            "id_token_signing_alg_values_supported": [algorithm, "HS256", "none", "XX99"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }))
        .into_response(),
    }
}

async fn keys(State(issuer): State<Issuer>) -> Response {
    let mut inside = issuer.inside();
    inside.keys_asked += 1;
    let (kid, pair) = &inside.key;
    let point = pair.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let key = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": x, "y": y});
    Json(json!({"keys": [key]})).into_response()
}

async fn user_info(State(issuer): State<Issuer>, headers: HeaderMap) -> Response {
    let inside = issuer.inside();
    if headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()) != Some(&format!("Bearer {ACCESS}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(Person { subject, email, verified, name }) = &inside.person else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let subject = if inside.fault == Fault::SaysAnotherAtUserInfo { "another" } else { subject };
    Json(json!({"sub": subject, "email": email, "email_verified": verified, "name": name})).into_response()
}

fn huge() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(vec![b' '; 4 << 20])).into_response()
}

fn refused(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response()
}

async fn token(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let fault = issuer.inside().fault;
    match fault {
        Fault::SlowToken => tokio::time::sleep(Duration::from_secs(30)).await,
        Fault::HugeToken => return huge(),
        Fault::NoToken => return (StatusCode::INTERNAL_SERVER_ERROR, "<html>").into_response(),
        Fault::Redirects => {
            let to = format!("{}/token?again", issuer.url());
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response();
        }
        _ => {}
    }
    let mut inside = issuer.inside();
    // RFC 6749 §2.3.1: both are encoded as in a form.
    let credentials = STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+")));
    if headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()) != Some(&format!("Basic {credentials}")) {
        return refused("invalid_client");
    }
    let Some(asked) = inside.codes.remove(&form["code"]) else { return refused("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if challenge != asked.challenge || form["redirect_uri"] != asked.redirect {
        return refused("invalid_grant");
    }
    inside.person = Some(asked.person.clone());
    let mut answer = json!({"access_token": ACCESS, "token_type": "Bearer", "expires_in": 60});
    if fault != Fault::NoIdToken {
        answer["id_token"] = json!(id_token(&inside, &asked));
    }
    Json(answer).into_response()
}

fn id_token(inside: &Inside, asked: &Asked) -> String {
    let fault = inside.fault;
    let now = inside.clock.now().unix_timestamp();
    let Person { subject, email, verified, name } = &asked.person;
    let hashed = if fault == Fault::OtherAccessToken { "another one" } else { ACCESS };
    let mut claims = json!({
        "iss": inside.url, "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked.nonce,
        "email": email, "email_verified": verified, "name": name,
        "at_hash": URL_SAFE_NO_PAD.encode(&Sha256::digest(hashed)[..16]),
    });
    if asked.fresh {
        claims["auth_time"] = json!(now);
    }
    match fault {
        Fault::WrongAudience => claims["aud"] = json!("another"),
        Fault::MoreAudiences => claims["aud"] = json!([CLIENT, "another"]),
        Fault::OtherParty => claims["azp"] = json!("another"),
        Fault::WrongIssuer => claims["iss"] = json!("https://evil.example"),
        Fault::Expired => claims["exp"] = json!(now - 1),
        Fault::WrongNonce => claims["nonce"] = json!("another"),
        Fault::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Fault::OldAuthTime => claims["auth_time"] = json!(now - 3600),
        Fault::NoAuthTime => drop(claims.as_object_mut().unwrap().remove("auth_time")),
        Fault::SaysWhoAtUserInfo | Fault::SaysAnotherAtUserInfo => {
            for claim in ["email", "email_verified", "name"] {
                drop(claims.as_object_mut().unwrap().remove(claim));
            }
        }
        _ => {}
    }
    let (kid, pair) = &inside.key;
    let algorithm = match fault {
        Fault::NotSigned => "none",
        Fault::SignedWithPublicKey | Fault::SignedWithSecret => "HS256",
        _ => "ES256",
    };
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": algorithm, "typ": "JWT", "kid": kid})), encode(&claims));
    let mac = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes()).as_ref().to_vec();
    let signature = match fault {
        Fault::NotSigned => Vec::new(),
        Fault::SignedWithPublicKey => mac(pair.public_key().as_ref()),
        Fault::SignedWithSecret => mac(SECRET.as_bytes()),
        // The same key id, another key.
        Fault::WrongSignature => fresh_key().sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
        _ => pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
