//! Signing in through an OpenID Connect issuer: the authorization code flow with PKCE (OpenID Connect Core 1.0 §3.1,
//! RFC 7636). What an issuer said is believed only as [`Proven`], which nothing but a verified ID token makes.

mod http;
mod identities;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use kubewise_contract::UserId;
use openidconnect::{
    AccessToken, AccessTokenHash, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, JsonWebKeySet,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse, UserInfoError,
    core::{
        CoreAuthPrompt, CoreClient, CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKey,
        CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType, CoreUserInfoClaims,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;

use self::http::{Failed, Http};
use crate::{Error, World};

pub(crate) use identities::{insert, lock_ways_in};

const GOOGLE: &str = "accounts.google.com";
/// What the issuer says of itself is asked for again after so long.
const KNOWN_FOR: Duration = Duration::hours(6);
/// An issuer that did not answer is not asked again for so long: whoever signs in meanwhile is not kept waiting.
const AWAY_FOR: Duration = Duration::seconds(5);
/// How long a person may take at the issuer.
const FLOW_FOR: Duration = Duration::minutes(10);
/// How far the issuer's clock may be behind ours.
const SKEW: Duration = Duration::seconds(30);

/// The issuer that this installation trusts.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    issuer: IssuerUrl,
    label: String,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect: RedirectUrl,
    http: Http,
    world: World,
    known: Mutex<Known>,
}

enum Known {
    Nothing,
    Away(OffsetDateTime),
    Issuer { metadata: Box<CoreProviderMetadata>, at: OffsetDateTime },
}

/// What a person goes to the issuer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowPurpose {
    /// To sign in, or to make an account.
    SignIn,
    /// To have it signed in to this account from now on.
    Link(UserId),
    /// To prove once more that it is them.
    Confirm(UserId),
}

/// What the browser's session holds while its person is at the issuer.
#[derive(Clone, Serialize, Deserialize)]
pub struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    purpose: FlowPurpose,
    next: Option<String>,
    since: i64,
}

impl Flow {
    /// What it is for.
    pub const fn purpose(&self) -> FlowPurpose {
        self.purpose
    }

    /// The page that was asked for.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// Who somebody is, as the issuer proved.
pub struct Proven {
    issuer: String,
    subject: String,
    email: Option<String>,
    email_verified: bool,
    name: Option<String>,
    /// Whether they proved it to the issuer after the flow began.
    is_fresh: bool,
}

/// Why an issuer's answer is not believed. No text of it is in here: it may hold a token or an address.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The issuer cannot be reached, or does not answer as one.
    #[error("the issuer cannot be reached: {0}")]
    Away(String),
    /// The answer is none to what this browser asked, or came too late.
    #[error("not an answer to what this browser asked: {0}")]
    NotAsked(&'static str),
    /// The code was not taken, or the ID token proves nothing.
    #[error("the issuer's answer is refused: {0}")]
    Refused(String),
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

impl Oidc {
    /// Nothing is asked of the issuer yet. `redirect` is where it sends people back to.
    pub fn new(
        world: &World,
        issuer: &str,
        client_id: &str,
        client_secret: &SecretString,
        redirect: String,
    ) -> Result<Self, Error> {
        let unusable = |e: &dyn std::fmt::Display| Error::Internal(format!("OpenID Connect: {e}"));
        let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|e| unusable(&e))?;
        let host = issuer.url().host_str().unwrap_or_default();
        let label = if host == GOOGLE { "Google".to_owned() } else { host.to_owned() };
        Ok(Self(Arc::new(Inner {
            http: Http::new(issuer.url().scheme() == "https")?,
            issuer,
            label,
            client_id: ClientId::new(client_id.to_owned()),
            client_secret: ClientSecret::new(client_secret.expose_secret().to_owned()),
            redirect: RedirectUrl::new(redirect).map_err(|e| unusable(&e))?,
            world: world.clone(),
            known: Mutex::new(Known::Nothing),
        })))
    }

    /// What people call it.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    fn is_google(&self) -> bool {
        self.0.issuer.url().host_str() == Some(GOOGLE)
    }

    fn issuer(&self) -> &str {
        self.0.issuer.as_str()
    }

    /// Where to send the browser, and what its session shall hold meanwhile.
    pub async fn begin(&self, purpose: FlowPurpose, next: Option<String>) -> Result<(String, Flow), OidcError> {
        let client = self.client(self.metadata().await?);
        let random = || URL_SAFE_NO_PAD.encode(self.0.world.random::<32>());
        let flow = Flow {
            state: random(),
            nonce: random(),
            verifier: random(),
            purpose,
            next,
            since: self.0.world.now().unix_timestamp(),
        };
        let (state, nonce) = (CsrfToken::new(flow.state.clone()), Nonce::new(flow.nonce.clone()));
        let verifier = PkceCodeVerifier::new(flow.verifier.clone());
        let mut request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                move || state.clone(),
                move || nonce.clone(),
            )
            // `openid` is there already.
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        match purpose {
            FlowPurpose::SignIn => {}
            // Whoever is signed in there may be somebody else: they are shown as whom they agree.
            FlowPurpose::Link(_) => request = request.add_prompt(CoreAuthPrompt::Consent),
            FlowPurpose::Confirm(_) => {
                // Google knows no `login` and refuses what it does not know.
                let prompt = if self.is_google() { CoreAuthPrompt::SelectAccount } else { CoreAuthPrompt::Login };
                request = request
                    .add_prompt(prompt)
                    .set_max_age(std::time::Duration::ZERO)
                    // Some tell the time only if it is asked for like this (§5.5).
                    .add_extra_param("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#);
            }
        }
        let (url, ..) = request.url();
        Ok((url.into(), flow))
    }

    /// Judges what the issuer sent the browser back with.
    pub async fn finish(&self, flow: &Flow, state: &str, code: SecretString) -> Result<Proven, OidcError> {
        self.is_answer(flow, state)?;
        let metadata = self.metadata().await?;
        let client = self.client(metadata.clone());
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .map_err(|_| OidcError::Away("it names no token endpoint".to_owned()))?
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()))
            .request_async(&self.0.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(failed) => OidcError::Away(failed.to_string()),
                RequestTokenError::ServerResponse(told) => OidcError::Refused(format!("the code: {}", told.error())),
                RequestTokenError::Parse(..) => OidcError::Refused("the token answer cannot be understood".to_owned()),
                RequestTokenError::Other(_) => OidcError::Refused("the token answer says nothing".to_owned()),
            })?;
        let token = answer.id_token().ok_or_else(|| OidcError::Refused("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(flow.nonce.clone());
        let mut verifier = self.verifier(&metadata, metadata.jwks().clone());
        let judged = match token.claims(&verifier, &nonce) {
            // A key that was not there a while ago.
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                verifier = self.verifier(&metadata, self.fresh_keys(&metadata).await?);
                token.claims(&verifier, &nonce)
            }
            judged => judged,
        };
        let claims = judged.map_err(|e| OidcError::Refused(told(&e)))?;
        self.check_party(claims)?;
        check_access_token(token, claims, &verifier, answer.access_token())?;
        let told = match claims.email() {
            Some(_) => None,
            None => self.user_info(&client, claims, answer.access_token()).await?,
        };
        Ok(self.proven(claims, told.as_ref(), flow))
    }

    /// Whether this browser asked for it, lately.
    pub fn is_answer(&self, flow: &Flow, state: &str) -> Result<(), OidcError> {
        // Compared by their hashes, so that how long it takes tells nothing.
        if Sha256::digest(state) != Sha256::digest(&flow.state) {
            return Err(OidcError::NotAsked("another state"));
        }
        if self.0.world.now().unix_timestamp() >= flow.since + FLOW_FOR.whole_seconds() {
            return Err(OidcError::NotAsked("too late"));
        }
        Ok(())
    }

    fn client(&self, metadata: CoreProviderMetadata) -> Client {
        CoreClient::from_provider_metadata(metadata, self.0.client_id.clone(), Some(self.0.client_secret.clone()))
            .set_redirect_uri(self.0.redirect.clone())
    }

    /// The issuer's keys and nothing else verify: with no shared secret, an ID token cannot be signed with one, and what is
    /// not signed is refused in any case.
    fn verifier(
        &self,
        metadata: &CoreProviderMetadata,
        keys: JsonWebKeySet<CoreJsonWebKey>,
    ) -> CoreIdTokenVerifier<'static> {
        let algorithms = metadata.id_token_signing_alg_values_supported().iter().filter(|a| is_asymmetric(a)).cloned();
        let world = self.0.world.clone();
        CoreIdTokenVerifier::new_public_client(self.0.client_id.clone(), self.0.issuer.clone(), keys)
            .set_allowed_algs(algorithms)
            .set_time_fn(move || DateTime::<Utc>::from_timestamp(world.now().unix_timestamp(), 0).unwrap_or_default())
    }

    /// OpenID Connect Core 1.0 §3.1.3.7, 4 and 5: the token was made for us.
    fn check_party(&self, claims: &CoreIdTokenClaims) -> Result<(), OidcError> {
        match claims.authorized_party() {
            Some(party) if *party != self.0.client_id => Err(OidcError::Refused("made for another client".to_owned())),
            _ => Ok(()),
        }
    }

    /// Some issuers say only there what the person is called (§5.4). It must be the same person (§5.3.2).
    async fn user_info(
        &self,
        client: &Client,
        claims: &CoreIdTokenClaims,
        access: &AccessToken,
    ) -> Result<Option<CoreUserInfoClaims>, OidcError> {
        let Ok(request) = client.user_info(access.clone(), Some(claims.subject().clone())) else { return Ok(None) };
        request.request_async(&self.0.http).await.map(Some).map_err(|error| match error {
            UserInfoError::Request(failed) => OidcError::Away(failed.to_string()),
            UserInfoError::ClaimsVerification(_) => OidcError::Refused("the user info is of somebody else".to_owned()),
            _ => OidcError::Refused("the user info cannot be understood".to_owned()),
        })
    }

    /// What is said of the person comes from one place: an address, and whether it is theirs, are not mixed.
    fn proven(&self, claims: &CoreIdTokenClaims, told: Option<&CoreUserInfoClaims>, flow: &Flow) -> Proven {
        let (email, verified, name) = match told {
            Some(told) => (told.email(), told.email_verified(), told.name()),
            None => (claims.email(), claims.email_verified(), claims.name()),
        };
        let text = |claim: Option<&str>| claim.map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        Proven {
            issuer: self.issuer().to_owned(),
            subject: claims.subject().as_str().to_owned(),
            email: text(email.map(|email| email.as_str())),
            email_verified: verified == Some(true),
            name: text(name.and_then(|name| name.get(None)).map(|name| name.as_str())),
            is_fresh: claims.auth_time().is_some_and(|at| at.timestamp() >= flow.since - SKEW.whole_seconds()),
        }
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, OidcError> {
        let now = self.0.world.now();
        // One asks, the others wait for what it hears.
        let mut known = self.0.known.lock().await;
        match &*known {
            Known::Issuer { metadata, at } if now < *at + KNOWN_FOR => return Ok((**metadata).clone()),
            Known::Away(at) if now < *at + AWAY_FOR => {
                return Err(OidcError::Away("it did not answer a moment ago".to_owned()));
            }
            _ => {}
        }
        match CoreProviderMetadata::discover_async(self.0.issuer.clone(), &self.0.http).await {
            Ok(metadata) => {
                *known = Known::Issuer { metadata: Box::new(metadata.clone()), at: now };
                Ok(metadata)
            }
            Err(error) => {
                *known = Known::Away(now);
                Err(away(&error))
            }
        }
    }

    async fn fresh_keys(&self, metadata: &CoreProviderMetadata) -> Result<JsonWebKeySet<CoreJsonWebKey>, OidcError> {
        let keys = JsonWebKeySet::fetch_async(metadata.jwks_uri(), &self.0.http).await.map_err(|error| away(&error))?;
        if let Known::Issuer { metadata, .. } = &mut *self.0.known.lock().await {
            **metadata = metadata.clone().set_jwks(keys.clone());
        }
        Ok(keys)
    }
}

/// RFC 7518 §3.1: signed with a key that only the issuer has.
const fn is_asymmetric(algorithm: &CoreJwsSigningAlgorithm) -> bool {
    use CoreJwsSigningAlgorithm as Alg;
    matches!(
        algorithm,
        Alg::RsaSsaPkcs1V15Sha256
            | Alg::RsaSsaPkcs1V15Sha384
            | Alg::RsaSsaPkcs1V15Sha512
            | Alg::RsaSsaPssSha256
            | Alg::RsaSsaPssSha384
            | Alg::RsaSsaPssSha512
            | Alg::EcdsaP256Sha256
            | Alg::EcdsaP384Sha384
            | Alg::EdDsa
    )
}

/// The access token that came with it belongs to it, if it says so (§3.1.3.8). We use none and keep none.
fn check_access_token(
    token: &CoreIdToken,
    claims: &CoreIdTokenClaims,
    verifier: &CoreIdTokenVerifier<'static>,
    access: &AccessToken,
) -> Result<(), OidcError> {
    let Some(said) = claims.access_token_hash() else { return Ok(()) };
    let refused = || OidcError::Refused("the access token is another one".to_owned());
    let algorithm = token.signing_alg().map_err(|_| refused())?;
    let key = token.signing_key(verifier).map_err(|_| refused())?;
    let is = AccessTokenHash::from_token(access, algorithm, key).map_err(|_| refused())?;
    if is == *said { Ok(()) } else { Err(refused()) }
}

/// What is wrong with an ID token, without what it holds.
fn told(error: &ClaimsVerificationError) -> String {
    match error {
        ClaimsVerificationError::Expired(_) => "the ID token has expired",
        ClaimsVerificationError::InvalidAudience(_) => "the ID token is for another audience",
        ClaimsVerificationError::InvalidIssuer(_) => "the ID token is from another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "the ID token has another nonce, or none",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            "the issuer has no such key"
        }
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoSignature) => {
            "the ID token is not signed"
        }
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::DisallowedAlg(_)) => {
            "the ID token is signed in a way that the issuer does not announce, or with a shared secret"
        }
        ClaimsVerificationError::SignatureVerification(_) => "the signature of the ID token is wrong",
        _ => "the ID token cannot be used",
    }
    .to_owned()
}

fn away(error: &DiscoveryError<Failed>) -> OidcError {
    OidcError::Away(match error {
        DiscoveryError::Request(failed) => failed.to_string(),
        DiscoveryError::Response(status, ..) => format!("it answered {status}"),
        DiscoveryError::Parse(_) => "what it says of itself cannot be understood".to_owned(),
        DiscoveryError::Validation(_) => "it says that it is another issuer".to_owned(),
        _ => "what it says of itself cannot be used".to_owned(),
    })
}
