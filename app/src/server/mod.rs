//! What only the server knows. Server functions are made of these; pages never see them.

mod answer;
mod assets;
mod login;
mod lookup;
pub mod provider;
mod shell;
pub mod sign_in;
mod token_cookie;
mod visitor;

pub use answer::Refusal;
pub(crate) use answer::{answer, session, who, who_and_when, who_lately};
pub use assets::code_folder;
pub(crate) use login::{end_session, local_path, session_id};
pub(crate) use lookup::{access, audit_number, chosen_clusters, cluster_in, organisation_in, parsed};
pub use shell::{document, shell};
pub(crate) use token_cookie::{factor_added, hand_over, take_codes, take_over};
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
