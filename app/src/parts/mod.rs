//! What pages are made of.

mod access;
mod copy;
mod done;
mod failure;
mod field;
mod filter;
mod head;
mod icon;
mod new_password;
mod pager;
mod passkey;
mod post;
mod quantity;
mod skeleton;
mod status;
mod text;
mod time;
mod yaml;

pub(crate) use access::{AccessFields, ClusterFields, FieldWrong};
pub(crate) use copy::{Copy, CopyButton};
pub(crate) use done::{done_note, use_done};
pub(crate) use failure::{Failure, failure};
pub(crate) use field::{FormError, Submit, TextField, Trouble};
pub(crate) use filter::{FilterBar, Offers};
pub(crate) use head::Head;
pub(crate) use icon::{Icon, Logo};
pub(crate) use new_password::NewPassword;
pub(crate) use pager::Pager;
pub(crate) use passkey::{needs_script, passkey_button, under_way};
pub(crate) use post::{Post, PostForm, row_button};
pub(crate) use quantity::{cpu, memory};
pub(crate) use skeleton::Skeleton;
pub(crate) use status::{ClusterDot, health_tag};
pub(crate) use text::{count, initials, kind_name, number, version};
pub(crate) use time::{Age, ticking};
pub(crate) use yaml::highlight;
