//! Listening on loopback, refusing connections on demand, and stopping with every open watch.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch::Receiver,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{api, cluster::SampleCluster};

/// How long to wait before listening or accepting is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// A running API. It stops, with every open connection, when this is dropped.
#[derive(Debug)]
pub struct ServeHandle {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
}

impl ServeHandle {
    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops to serve; the same as dropping the handle.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for ServeHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn start(cluster: SampleCluster, port: u16) -> Result<ServeHandle> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tcp = TcpListener::bind(wanted).await.with_context(|| format!("cannot listen on {wanted}"))?;
    let addr = tcp.local_addr()?;
    let stop = CancellationToken::new();
    let listener = Listener {
        tcp: Some(tcp),
        addr,
        refusing: cluster.shared.refusing.subscribe(),
        stop: stop.clone(),
        connections: stop.child_token(),
    };
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            served = axum::serve(listener, api::router(cluster)) => {
                if let Err(error) = served {
                    tracing::error!(%error, "the sample cluster is no longer served");
                }
            }
        }
    });
    Ok(ServeHandle { addr, stop })
}

/// A listener that goes away while connections are refused.
struct Listener {
    tcp: Option<TcpListener>,
    addr: SocketAddr,
    refusing: Receiver<bool>,
    stop: CancellationToken,
    /// Cancelled to break every connection that is open.
    connections: CancellationToken,
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if *self.refusing.borrow_and_update() {
                self.tcp = None;
                self.connections.cancel();
                self.connections = self.stop.child_token();
                if self.refusing.changed().await.is_err() {
                    // The cluster is gone, and with it whoever could ask.
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let Some(tcp) = &self.tcp else {
                match TcpListener::bind(self.addr).await {
                    Ok(tcp) => self.tcp = Some(tcp),
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
                continue;
            };
            tokio::select! {
                changed = self.refusing.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                accepted = tcp.accept() => match accepted {
                    Ok((stream, from)) => {
                        // Without it, small answers wait for the client's delayed ACK.
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!(%error, "TCP_NODELAY could not be set");
                        }
                        let broken = Box::pin(self.connections.clone().cancelled_owned());
                        return (Connection { stream, broken }, from);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(RETRY).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.addr)
    }
}

/// A connection that can be broken from outside.
struct Connection {
    stream: TcpStream,
    broken: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn check(&mut self, cx: &mut TaskContext<'_>) -> io::Result<()> {
        match self.broken.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
