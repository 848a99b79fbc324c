//! Doors: HTTP in.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::gateway::Gateway;

/// Serves the public API until the gateway stops.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    // The face of the door, until the door itself is here: connections wait in the listener's queue.
    gateway.stopping.wait().await;
    drop(listener);
}
