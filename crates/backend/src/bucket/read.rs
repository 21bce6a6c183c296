//! Reading an object: a record at a time, each verified before any byte of it is handed out. Where an answer breaks off, the
//! rest is asked for again from the last record that was whole.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream, stream::BoxStream};
use object_store::{GetOptions, GetRange, ObjectStore, path::Path as Key};

use super::{
    DataKey, FORMAT_WHOLE, fault, open_whole,
    seal::{HEAD, Opener, SEALED},
};
use crate::{Error, logged::without_ids};

/// How often the rest is asked for again while not a single record comes.
const AGAIN: u32 = 5;

/// Where an object is, and how far it was read.
pub(super) struct Source {
    store: Arc<dyn ObjectStore>,
    location: Key,
    /// Waited before it is asked again the first time; then twice as long each time.
    wait: Duration,
    /// Of what is read next, in the object.
    at: u64,
    /// What was read from there on.
    held: BytesMut,
    body: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Bytes of the object, as the last answer has it.
    size: u64,
    broken: u32,
}

impl Source {
    /// Asks for an object. [`Error::NotFound`] when there is none.
    pub(super) async fn new(store: Arc<dyn ObjectStore>, location: Key, wait: Duration) -> Result<Self, Error> {
        let mut source = Self { store, location, wait, at: 0, held: BytesMut::new(), body: None, size: 0, broken: 0 };
        source.ask().await.map_err(|error| missing(&error))?;
        Ok(source)
    }

    async fn ask(&mut self) -> object_store::Result<()> {
        self.held.clear();
        let range = (self.at > 0).then_some(GetRange::Offset(self.at));
        let found = self.store.get_opts(&self.location, GetOptions { range, ..GetOptions::default() }).await?;
        self.size = found.meta.size;
        self.body = Some(found.into_stream());
        Ok(())
    }

    /// Reads until so many bytes are held, or all to the end. Answers how many are.
    async fn fill(&mut self, wanted: usize) -> Result<usize, Error> {
        while self.held.len() < wanted {
            let Some(body) = &mut self.body else {
                match self.ask().await {
                    Ok(()) => continue,
                    // Removed meanwhile.
                    Err(error @ object_store::Error::NotFound { .. }) => return Err(missing(&error)),
                    Err(error) => {
                        self.breaks_off(error.to_string()).await?;
                        continue;
                    }
                }
            };
            match body.next().await {
                Some(Ok(bytes)) => self.held.extend_from_slice(&bytes),
                None if self.at + self.held.len() as u64 >= self.size => break,
                None => self.breaks_off("it ended early".to_owned()).await?,
                Some(Err(error)) => self.breaks_off(error.to_string()).await?,
            }
        }
        Ok(self.held.len())
    }

    async fn breaks_off(&mut self, why: String) -> Result<(), Error> {
        if self.broken == AGAIN {
            return Err(Error::Internal(without_ids(&format!("object store: reading broke off: {why}"))));
        }
        tokio::time::sleep(self.wait * 2_u32.pow(self.broken)).await;
        self.broken += 1;
        self.forget();
        Ok(())
    }

    /// Asks again for what was read and is not passed.
    fn forget(&mut self) {
        self.body = None;
        self.held.clear();
    }

    /// What was read is right: goes on after it.
    fn passed(&mut self, bytes: usize) {
        self.held.advance(bytes);
        self.at += bytes as u64;
        self.broken = 0;
    }
}

/// S3 answers 404 for a bucket that there is not, too: that is no object that is missing.
fn missing(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { source, .. } if !source.to_string().contains("NoSuchBucket") => Error::NotFound,
        error => fault(error),
    }
}

enum Form {
    /// Of format 1: opened already.
    Whole(Bytes),
    Records(Opener),
    Ended,
}

/// An object that is being read.
pub(super) struct Reading {
    source: Source,
    form: Form,
}

impl Reading {
    pub(super) async fn new(mut source: Source, key: &DataKey, name: &str) -> Result<Self, Error> {
        let mut is_second = false;
        loop {
            let held = source.fill(HEAD).await?;
            let form = if source.held.first() == Some(&FORMAT_WHOLE) {
                let held = source.fill(usize::MAX).await?;
                open_whole(key, name, &source.held[..held]).map(Form::Whole)
            } else {
                Opener::new(key, name, &source.held[..held.min(HEAD)]).map(|opener| {
                    source.passed(HEAD);
                    Form::Records(opener)
                })
            };
            match form {
                Ok(form) => return Ok(Self { source, form }),
                Err(error) if is_second => return Err(error),
                // It may have been spoilt on its way.
                Err(_) => source.forget(),
            }
            is_second = true;
        }
    }

    /// What is in the records, as it was put.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        stream::try_unfold(self, |mut reading| async move { Ok(reading.next().await?.map(|text| (text, reading))) })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let opener = match std::mem::replace(&mut self.form, Form::Ended) {
            Form::Ended => return Ok(None),
            Form::Whole(text) => return Ok(Some(text)),
            Form::Records(opener) => opener,
        };
        let (text, rest) = self.record(opener).await?;
        if let Some(opener) = rest {
            self.form = Form::Records(opener);
        }
        Ok(Some(text))
    }

    /// The next record, and what opens the one after it.
    async fn record(&mut self, mut opener: Opener) -> Result<(Bytes, Option<Opener>), Error> {
        let mut is_second = false;
        loop {
            let held = self.source.fill(SEALED + 1).await?;
            let (bytes, is_last) = (held.min(SEALED), held <= SEALED);
            match opener.open(&self.source.held[..bytes], is_last) {
                Ok(text) => {
                    self.source.passed(bytes);
                    return Ok((text, (!is_last).then_some(opener)));
                }
                Err(error) if is_second => return Err(error),
                Err(_) => self.source.forget(),
            }
            is_second = true;
        }
    }
}
