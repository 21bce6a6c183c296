//! Whether the server is well.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use axum::response::IntoResponse;
use http::header;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::config::Config;

/// Answers as soon as the server listens; says nothing of what is behind it.
pub(super) async fn healthz() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// `kubewise-server healthcheck`: asks the server that runs with the same settings.
pub async fn healthcheck(config: &Config) -> Result<()> {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let check = async {
        let stream = TcpStream::connect(address).await.with_context(|| format!("nothing answers at {address}"))?;
        let answer = if config.tls.is_some() {
            let name = ServerName::IpAddress(address.ip().into());
            ask(TlsConnector::from(Arc::new(tls()?)).connect(name, stream).await.context("TLS")?).await?
        } else {
            ask(stream).await?
        };
        if !answer.starts_with(b"HTTP/1.1 200") {
            bail!("the server at {address} is not well");
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(5), check).await.context("no answer within 5 seconds")?
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<Vec<u8>> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn tls() -> Result<ClientConfig> {
    let provider = CryptoProvider::get_default().context("no cryptography is set up")?;
    Ok(ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Itself(Arc::clone(provider))))
        .with_no_client_auth())
}

/// Takes any certificate: the server is asked on its own machine, whose name no certificate has; nothing secret is sent,
/// and the one thing believed is that it is well.
#[derive(Debug)]
struct Itself(Arc<CryptoProvider>);

impl ServerCertVerifier for Itself {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
