//! The listener: HTTP, or HTTPS with TLS 1.2 and 1.3 and a certificate that is read again when its file changes.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use axum::Router;
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::config::TlsFiles;

/// How often the certificate's files are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(10);
/// How long requests under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A bound listener, not yet serving.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsFiles>,
}

impl Listener {
    /// Binds, so that a taken port is an error before anything else starts.
    pub fn bind(address: SocketAddr, tls: Option<&TlsFiles>) -> Result<Self> {
        let socket = TcpListener::bind(address).with_context(|| format!("KUBEWISE_LISTEN={address}"))?;
        socket.set_nonblocking(true).context("listener")?;
        Ok(Self { socket, tls: tls.cloned() })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.socket.local_addr().context("listener")
    }
}

/// Serves until `stop` resolves, then lets requests under way finish.
pub async fn listen(listener: Listener, router: Router, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let handle = Handle::new();
    let stopper = tokio::spawn({
        let handle = handle.clone();
        async move {
            stop.await;
            handle.graceful_shutdown(Some(DRAIN));
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // Without TCP_NODELAY a streamed page waits for the client's delayed acknowledgement: 40 ms on top of 1.
    let result = match listener.tls {
        None => {
            axum_server::from_tcp(listener.socket)?.acceptor(NoDelayAcceptor::new()).handle(handle).serve(service).await
        }
        Some(files) => {
            let config = RustlsConfig::from_config(Arc::new(tls_config(&files)?));
            let reloader = tokio::spawn(reload(config.clone(), files));
            let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
            let served = axum_server::from_tcp(listener.socket)?.acceptor(acceptor).handle(handle).serve(service).await;
            reloader.abort();
            served
        }
    };
    stopper.abort();
    result.context("listener")
}

fn tls_config(files: &TlsFiles) -> Result<ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| anyhow::anyhow!("KUBEWISE_TLS_CERT={}: {e}", files.cert.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| anyhow::anyhow!("KUBEWISE_TLS_KEY={}: {e}", files.key.display()))?;
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|e| anyhow::anyhow!("KUBEWISE_TLS_CERT and KUBEWISE_TLS_KEY do not go together: {e}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn reload(config: RustlsConfig, files: TlsFiles) {
    let mut every = tokio::time::interval(RELOAD_EVERY);
    let mut seen = (changed(&files.cert), changed(&files.key));
    loop {
        every.tick().await;
        let now = (changed(&files.cert), changed(&files.key));
        if now == seen {
            continue;
        }
        match tls_config(&files) {
            Ok(fresh) => {
                config.reload_from_config(Arc::new(fresh));
                seen = now;
                tracing::info!("the TLS certificate was read again");
            }
            // Certificate and key may be written one after the other: tried again until they go together.
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the changed TLS certificate cannot be used; the one before stays");
            }
        }
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|m| m.modified()).ok()
}
