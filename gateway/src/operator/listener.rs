//! The operator listener: what it bears. Operators are few.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;

use super::router;
use crate::{
    gateway::Gateway,
    listen::{self, Limits},
};

const LIMITS: Limits = Limits {
    connections_max: 64,
    head_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(30),
    head_bytes_max: 16 * 1024,
    http2: false,
};

/// Serves operators on `listener` until the gateway stops and every connection has had its answer.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let stop = Arc::clone(&gateway.stopping);
    listen::serve(listener, router(gateway), LIMITS, stop).await;
}
