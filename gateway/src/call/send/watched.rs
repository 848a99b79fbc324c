//! An answer that comes for long is watched, whether its client reads or not: it ends where its caller may not read any more, where its
//! client takes nothing, and where the gateway stops. Then its place at the network is free.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel, error::TrySendError},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    call::{Call, authenticate::lasts},
    config::{Decision, decide},
    egress::StreamedBody,
    gateway::Gateway,
    keys::Session,
    model::{Account, Action, KeyId, Principal},
};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pieces that wait for the client.
const PIECES_MAX: usize = 4;

/// The body of an answer to a read.
pub struct Watched {
    pieces: Receiver<Piece>,
    /// The network came to its end; without it the answer was cut off.
    whole: bool,
}

enum Piece {
    Data(Bytes),
    Failed(CutOff),
    End,
}

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum CutOff {
    /// The network's part of it.
    #[error("{0}")]
    Network(String),
    /// The gateway stops, the right is gone, or the client took nothing for too long.
    #[error("the gateway ended the answer")]
    Gateway,
}

/// Whose answer it is.
struct Watch {
    gateway: Arc<Gateway>,
    key: KeyId,
    session: Option<Session>,
    principal: Principal,
    account: Arc<Account>,
    action: Action,
}

impl Watched {
    pub(super) fn new(gateway: Arc<Gateway>, call: &Call, body: StreamedBody) -> Self {
        let caller = call.caller();
        let watch = Watch {
            gateway,
            key: caller.key().clone(),
            session: caller.session().cloned(),
            principal: caller.principal().clone(),
            account: Arc::clone(call.account()),
            action: call.draft().action,
        };
        let (into, pieces) = channel(PIECES_MAX);
        // Of its own: nobody asks for the body of a client that does not read.
        tokio::spawn(watch.carry(body, into));
        Self { pieces, whole: false }
    }
}

impl Watch {
    async fn carry(self, mut body: StreamedBody, into: Sender<Piece>) {
        let patience = Duration::from_millis(self.gateway.config.listen.idle_timeout_ms);
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut waiting, mut taken): (Option<Piece>, Instant) = (None, Instant::now());
        loop {
            if let Some(piece) = waiting.take() {
                let last = !matches!(piece, Piece::Data(_));
                match into.try_send(piece) {
                    Ok(()) if last => return,
                    Ok(()) => taken = Instant::now(),
                    Err(TrySendError::Full(piece)) => waiting = Some(piece),
                    // The client is gone.
                    Err(TrySendError::Closed(_)) => return,
                }
            }
            tokio::select! {
                frame = body.frame(), if waiting.is_none() => waiting = Some(match frame {
                    Some(Ok(frame)) => Piece::Data(frame.into_data().unwrap_or_default()),
                    Some(Err(failure)) => Piece::Failed(CutOff::Network(failure.to_string())),
                    None => Piece::End,
                }),
                room = into.reserve(), if waiting.is_some() => if room.is_err() { return },
                _ = look.tick() => {
                    let stalled = waiting.is_some() && taken.elapsed() > patience;
                    if stalled || !self.may_go_on() {
                        return;
                    }
                }
                () = into.closed() => return,
            }
        }
    }

    fn may_go_on(&self) -> bool {
        let (governance, now) = (self.gateway.governance.load(), self.gateway.clock.now());
        let granted = decide(&governance, &self.principal, None, &self.account, self.action, now);
        let session = self.session.as_ref().is_none_or(|session| self.gateway.sessions.lives(session, now));
        let allowed = matches!(granted, Decision::Granted { .. }) && lasts(&self.gateway, &self.key);
        allowed && session && !self.gateway.stopping.is_set()
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = self.get_mut();
        if this.whole {
            return Poll::Ready(None);
        }
        this.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Piece::Failed(cut)) => Some(Err(cut)),
            Some(Piece::End) => {
                this.whole = true;
                None
            }
            None => {
                this.whole = true;
                Some(Err(CutOff::Gateway))
            }
        })
    }
}
