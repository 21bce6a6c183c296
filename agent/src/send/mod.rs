//! The server's side: one request at a time, tried until it is answered.

mod client;
mod deliver;
mod link;
mod token;

pub(crate) use client::Client;
pub(crate) use deliver::{Batch, Outcome, Restart, Sender};
pub(crate) use link::{Link, Standing};
pub(crate) use token::TokenSource;
