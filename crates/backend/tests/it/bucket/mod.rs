//! The bucket: the same tests for a folder and for an S3 server (s3s-fs, on loopback), and for the latter what goes wrong
//! between here and there.

mod audits;
mod faults;
mod keys;
mod orphans;
pub(crate) mod place;
mod proxy;
mod same;
mod server;
mod variables;

use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use kubewise_backend::Error;

/// Bytes that do not become fewer by compression, the same every time.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

/// Content that comes by pieces.
fn pieces(content: &[u8], piece: usize) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<> {
    let content = Bytes::copy_from_slice(content);
    stream::iter(
        (0..content.len().div_ceil(piece))
            .map(move |n| Ok(content.slice(n * piece..content.len().min((n + 1) * piece)))),
    )
}

async fn all(content: impl Stream<Item = Result<Bytes, Error>>) -> Result<Vec<u8>, Error> {
    let gather = |mut all: Vec<u8>, piece: Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    content.try_fold(Vec::new(), gather).await
}
