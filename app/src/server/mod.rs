//! What only the server knows. Server functions are made of these; pages never see them.

mod answer;
mod assets;
mod login;
mod lookup;
mod shell;
mod token_cookie;
mod visitor;

pub(crate) use answer::{Refusal, answer, who};
pub(crate) use login::{begin_session, end_session, local_path, renew_session, session_id};
pub(crate) use lookup::{cluster_in, organisation_in};
pub use shell::shell;
pub(crate) use token_cookie::{hand_over, take_over};
pub use visitor::ClientAddress;
pub(crate) use visitor::{keep, visitor};

/// What the pages must know of the server that they are served by. Provided as a leptos context.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The address at which people and agents reach this server, without a trailing slash.
    pub public_url: String,
    /// Whether cookies may only travel over TLS.
    pub secure_cookies: bool,
}
