//! The web interface: a Leptos app that the server renders and the browser takes over.
//!
//! - `pages/`: one file per page; each says what a person comes to it for.
//! - `parts/`: what pages are made of.
//! - `api/`: the server functions, the only way from a page to data. Their bodies exist on the server alone.
//! - `server/`: what only the server knows: the HTML shell, sessions, statuses, headers.

#![expect(unreachable_pub, reason = "the macros for components and server functions write their items as pub")]

mod api;
mod app;
mod lazy;
mod live;
mod pages;
mod parts;
mod passkey;
mod place;
#[cfg(feature = "ssr")]
mod server;

pub use app::App;
#[cfg(feature = "ssr")]
pub use server::{ClientAddress, Refusal, ServerInfo, code_folder, document, provider, shell, sign_in};
