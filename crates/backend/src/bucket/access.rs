//! How a store is reached, and how long is waited for it.

use std::{path::Path, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum},
    local::LocalFileSystem,
};

/// A request from its beginning to the last byte of the answer: what is read for longer is asked for again from where it is.
const WHOLE: Duration = Duration::from_hours(1);

/// How an S3 server is asked: by default as the usual variables say (`AWS_REGION`, `AWS_ACCESS_KEY_ID` …), with times that
/// suit parts of 8 MiB.
#[derive(Clone, Debug)]
pub struct S3Access {
    /// In place of the environment.
    options: Option<Vec<(AmazonS3ConfigKey, String)>>,
    /// Until a connection is there.
    connect: Duration,
    /// Without a byte of an answer. It begins with the request, so a part has to be sent in that time.
    silence: Duration,
    /// Before a request is repeated the first time; then longer each time, with jitter.
    wait: Duration,
    /// How often a request is repeated that was answered 5xx or not at all, and until when.
    repeats: usize,
    repeated_for: Duration,
}

impl Default for S3Access {
    fn default() -> Self {
        Self {
            options: None,
            connect: Duration::from_secs(5),
            silence: Duration::from_mins(1),
            wait: Duration::from_millis(200),
            repeats: 6,
            repeated_for: Duration::from_mins(3),
        }
    }
}

impl S3Access {
    /// A server on this machine, without TLS, which is waited for so long at most: for tests.
    #[cfg(feature = "testing")]
    pub fn test(endpoint: &str, credentials: [&str; 2], silence: Duration) -> Self {
        let [id, secret] = credentials;
        let options = [
            (AmazonS3ConfigKey::Endpoint, endpoint),
            (AmazonS3ConfigKey::AccessKeyId, id),
            (AmazonS3ConfigKey::SecretAccessKey, secret),
            (AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true"),
        ];
        Self {
            options: Some(options.map(|(key, value)| (key, value.to_owned())).into()),
            silence,
            wait: Duration::from_millis(2),
            repeats: 3,
            ..Self::default()
        }
    }

    pub(super) const fn wait(&self) -> Duration {
        self.wait
    }

    pub(super) fn open(&self, bucket: &str) -> object_store::Result<AmazonS3> {
        let builder = match &self.options {
            None => AmazonS3Builder::from_env(),
            Some(options) => {
                options.iter().fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(*key, value))
            }
        };
        let times = [
            (ClientConfigKey::ConnectTimeout, self.connect),
            (ClientConfigKey::ReadTimeout, self.silence),
            (ClientConfigKey::Timeout, WHOLE),
        ];
        // One by one: what the environment says besides (`AWS_ALLOW_HTTP`) stays.
        let builder = times.into_iter().fold(builder, |builder, (key, time)| {
            builder.with_config(AmazonS3ConfigKey::Client(key), format!("{}ms", time.as_millis()))
        });
        builder
            .with_bucket_name(bucket)
            // The server verifies what it got before it says that it has it.
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(RetryConfig {
                backoff: BackoffConfig { init_backoff: self.wait, max_backoff: Duration::from_secs(10), base: 2. },
                max_retries: self.repeats,
                retry_timeout: self.repeated_for,
            })
            .build()
    }
}

/// A folder, whose files are on the disk when they are said to be.
pub(super) fn folder(folder: &Path) -> object_store::Result<LocalFileSystem> {
    Ok(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
}
