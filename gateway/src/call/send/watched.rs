//! An answer that comes for long is watched: it ends where its caller may not read any more, and where the gateway stops.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use crate::{
    call::{Call, authenticate::stands},
    config::{Decision, decide},
    egress::StreamedBody,
    gateway::Gateway,
    model::{Account, Action, KeyId, Principal},
};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The body of an answer to a read.
pub struct Watched {
    gateway: Arc<Gateway>,
    key: KeyId,
    principal: Principal,
    account: Arc<Account>,
    action: Action,
    /// None once it has ended.
    body: Option<StreamedBody>,
    look: Pin<Box<Sleep>>,
}

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum CutOff {
    /// The network's part of it.
    #[error("{0}")]
    Network(String),
    /// The gateway stops, or the right is gone.
    #[error("the gateway ended the answer")]
    Gateway,
}

impl Watched {
    pub(super) fn new(gateway: Arc<Gateway>, call: &Call, body: StreamedBody) -> Self {
        let (caller, account) = (call.caller(), Arc::clone(call.account()));
        let (key, principal) = (caller.key().clone(), caller.principal().clone());
        let look = Box::pin(tokio::time::sleep(LOOK_EVERY));
        Self { gateway, key, principal, account, action: call.draft().action, body: Some(body), look }
    }

    fn may_go_on(&self) -> bool {
        let (governance, now) = (self.gateway.governance.load(), self.gateway.clock.now());
        let granted = decide(&governance, &self.principal, None, &self.account, self.action, now);
        let ended = self.gateway.keys.record(&self.key).and_then(|key| key.expires_at).is_some_and(|end| end <= now);
        let allowed = matches!(granted, Decision::Granted { .. }) && stands(&self.gateway, &self.key) && !ended;
        allowed && !self.gateway.stopping.is_set()
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = self.get_mut();
        while this.look.as_mut().poll(context).is_ready() {
            if this.body.is_some() && !this.may_go_on() {
                this.body = None;
                return Poll::Ready(Some(Err(CutOff::Gateway)));
            }
            this.look.as_mut().reset(Instant::now() + LOOK_EVERY);
        }
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(failure))) => {
                this.body = None;
                Poll::Ready(Some(Err(CutOff::Network(failure.to_string()))))
            }
            Poll::Ready(None) => {
                this.body = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
