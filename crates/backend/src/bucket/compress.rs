//! What is in the bucket is compressed (zstd): on its way there and back.

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, stream};
use std::io::Write as _;
use zstd::stream::raw::{Decoder, Operation as _};

use crate::Error;

/// Objects are made once and read seldom: smaller is better than faster.
const LEVEL: i32 = 9;
/// Bytes that are compressed, or come out, at once.
const AT_ONCE: usize = 256 << 10;

/// Compresses as objects of the bucket are.
pub(crate) fn compressor() -> Result<zstd::Encoder<'static, Vec<u8>>, Error> {
    zstd::Encoder::new(Vec::new(), LEVEL).map_err(fault)
}

fn fault(error: std::io::Error) -> Error {
    Error::Internal(format!("zstd: {error}"))
}

/// Compresses content that comes by pieces.
pub(super) fn compressed<S>(content: S) -> impl Stream<Item = Result<Bytes, Error>> + Send
where
    S: Stream<Item = Result<Bytes, Error>> + Send + Unpin,
{
    stream::try_unfold(
        (content, None, Bytes::new(), false),
        |(mut content, encoder, mut piece, has_ended)| async move {
            if has_ended {
                return Ok(None);
            }
            let mut encoder = match encoder {
                None => compressor()?,
                Some(encoder) => encoder,
            };
            loop {
                if piece.is_empty() {
                    let Some(next) = content.next().await else { break };
                    piece = next?;
                }
                let next = piece.split_to(piece.len().min(AT_ONCE));
                // Work for the processor, away from the threads that others wait for.
                let busy = tokio::task::spawn_blocking(move || encoder.write_all(&next).map(|()| encoder));
                encoder = busy.await.map_err(|e| Error::Internal(e.to_string()))?.map_err(fault)?;
                if !encoder.get_ref().is_empty() {
                    let out = std::mem::take(encoder.get_mut());
                    return Ok(Some((out.into(), (content, Some(encoder), piece, false))));
                }
            }
            let out = encoder.finish().map_err(fault)?;
            Ok(Some((out.into(), (content, None, Bytes::new(), true))))
        },
    )
}

/// Unpacks content that comes by pieces, however small it was: so much at once as is handed out.
pub(super) fn unpacked<S>(content: S) -> impl Stream<Item = Result<Bytes, Error>> + Send
where
    S: Stream<Item = Result<Bytes, Error>> + Send + Unpin,
{
    let state = Unpacking { content, decoder: None, piece: Bytes::new(), is_open: false, may_hold: false };
    stream::try_unfold(state, |mut state| async move { Ok(state.next().await?.map(|out| (out, state))) })
}

struct Unpacking<S> {
    content: S,
    decoder: Option<Decoder<'static>>,
    piece: Bytes,
    /// Within a frame of zstd: more has to come.
    is_open: bool,
    /// The decoder filled what it was given, so it may have more.
    may_hold: bool,
}

impl<S: Stream<Item = Result<Bytes, Error>> + Send + Unpin> Unpacking<S> {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.piece.is_empty() && !self.may_hold {
                match self.content.next().await {
                    Some(piece) => self.piece = piece?,
                    None if self.is_open => return Err(Error::Internal("zstd: it ended early".to_owned())),
                    None => return Ok(None),
                }
            }
            let decoder = match &mut self.decoder {
                Some(decoder) => decoder,
                None => self.decoder.insert(Decoder::new().map_err(fault)?),
            };
            let mut out = vec![0; AT_ONCE];
            let done = decoder.run_on_buffers(&self.piece, &mut out).map_err(fault)?;
            self.piece.advance(done.bytes_read);
            self.may_hold = done.bytes_written == out.len();
            if done.bytes_read > 0 || done.bytes_written > 0 {
                self.is_open = done.remaining != 0;
            }
            if done.bytes_written > 0 {
                out.truncate(done.bytes_written);
                return Ok(Some(out.into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use proptest::prelude::*;

    use super::*;

    fn pieces(content: &[u8], piece: usize) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<> {
        let pieces: Vec<_> = content.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        stream::iter(pieces)
    }

    async fn all(content: impl Stream<Item = Result<Bytes, Error>>) -> Result<Vec<u8>, Error> {
        content
            .try_fold(Vec::new(), |mut all, piece| async move {
                all.extend_from_slice(&piece);
                Ok(all)
            })
            .await
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_compressed_unpacks_by_whatever_pieces_it_comes(
            content in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..3_000),
                // Far larger than it is compressed.
                (0..5 * AT_ONCE).prop_map(|bytes| vec![7; bytes]),
            ],
            into in 1..5_000_usize,
            out in 1..5_000_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let packed = all(Box::pin(compressed(pieces(&content, into.max(content.len() / 50))))).await.unwrap();
                prop_assert_eq!(&zstd::decode_all(packed.as_slice()).unwrap(), &content);
                let unpacked = all(Box::pin(unpacked(pieces(&packed, out)))).await.unwrap();
                prop_assert_eq!(unpacked, content);
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn what_is_cut_is_an_error_and_nothing_is_nothing() {
        let packed = all(Box::pin(compressed(pieces(&[5; 10_000], 100)))).await.unwrap();
        for at in 1..packed.len() {
            assert!(all(Box::pin(unpacked(pieces(&packed[..at], 7)))).await.is_err(), "cut at {at}");
        }
        assert_eq!(all(Box::pin(unpacked(pieces(&[], 1)))).await.unwrap(), b"");
    }
}
