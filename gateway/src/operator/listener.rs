//! The operator listener: what it bears. Operators are few.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;

use super::{answer::unreadable, router};
use crate::{
    gateway::Gateway,
    listen::{self, Door, Limits, Meter},
};

const LIMITS: Limits = Limits {
    connections_max: 64,
    connections_per_source_max: 64,
    head_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(30),
    head_bytes_max: 16 * 1024,
    head_fields_max: 100,
    http2: false,
    streams_max: 1,
};

/// Serves operators on `listener` until the gateway stops and every connection has had its answer.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let stop = Arc::clone(&gateway.stopping);
    let meter = Arc::new(Meter::default());
    let shown = Arc::clone(&meter);
    gateway.metrics.add(move |page| shown.show(page, "operator"));
    let door = Door { limits: LIMITS, refuse: unreadable, meter, tls: None, tunnels: None };
    listen::serve(listener, router(gateway), door, stop).await;
}
