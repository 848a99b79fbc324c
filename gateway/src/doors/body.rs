//! Bodies of requests: bounded in size and in time.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    gateway::Gateway,
    refusal::{Refusal, Stage, problem},
};

/// A body that is under way when the gateway stops may take this long to its end.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The body of a JSON request, as an argument of a handler: the bytes, or why there are none.
pub struct JsonBody(pub Result<Bytes, Refusal>);

impl FromRequest<Arc<Gateway>> for JsonBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        Ok(Self(gather(request, gateway).await))
    }
}

async fn gather(request: Request, gateway: &Gateway) -> Result<Bytes, Refusal> {
    let bytes_max = gateway.config.limits.json_bytes_max;
    let too_large = || {
        let detail = format!("A JSON body may have {bytes_max} bytes. Put media to /v1/media and refer to them by id.");
        Refusal::new(problem::TOO_LARGE, Stage::Door, detail)
    };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    let mut body = Timed::whole(request.into_body(), gateway);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Broken::refusal)?.into_data() else { continue };
        if (bytes.len() as u64).saturating_add(data.len() as u64) > bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    if !is_json {
        let detail = "Send `Content-Type: application/json`.";
        return Err(Refusal::new(problem::UNSUPPORTED_MEDIA_TYPE, Stage::Door, detail));
    }
    Ok(bytes.freeze())
}

/// Why a body did not come to its end.
#[derive(Debug, Clone)]
pub enum Broken {
    /// It took too long.
    Late(Duration),
    /// The gateway stops.
    Stopping,
    /// The client went away, or framed it badly.
    Cut(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(limit) => write!(f, "nothing came within {limit:?}"),
            Self::Stopping => f.write_str("the gateway stops"),
            Self::Cut(cause) => f.write_str(cause),
        }
    }
}

impl Broken {
    /// The refusal that it amounts to.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Late(limit) => {
                let detail = format!("The body did not arrive within {} ms.", limit.as_millis());
                Refusal::new(problem::REQUEST_TIMEOUT, Stage::Door, detail)
            }
            Self::Stopping => Refusal::new(problem::SHUTTING_DOWN, Stage::Door, "The gateway is stopping."),
            Self::Cut(cause) => {
                let detail = "The body broke off or was not framed as HTTP wants it.";
                Refusal::new(problem::MALFORMED, Stage::Door, detail).because(cause)
            }
        }
    }
}

/// A body with a deadline: for the whole, or for each pause.
pub struct Timed {
    body: Body,
    limit: Duration,
    each: bool,
    deadline: Pin<Box<Sleep>>,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    broken: Option<Broken>,
}

impl Timed {
    /// The whole body must be there within the configured time.
    pub fn whole(body: Body, gateway: &Gateway) -> Self {
        Self::new(body, gateway, false)
    }

    /// The client may pause for the configured time.
    pub fn pauses(body: Body, gateway: &Gateway) -> Self {
        Self::new(body, gateway, true)
    }

    fn new(body: Body, gateway: &Gateway, each: bool) -> Self {
        let limit = Duration::from_millis(gateway.config.limits.body_timeout_ms);
        let stop = Arc::clone(&gateway.stopping);
        let stopping = Box::pin(async move {
            stop.wait().await;
            sleep(STOP_GRACE).await;
        });
        Self { body, limit, each, deadline: Box::pin(sleep(limit)), stopping, broken: None }
    }

    /// Why it broke, where it did.
    pub fn broken(&self) -> Option<Broken> {
        self.broken.clone()
    }

    fn breaks(&mut self, why: Broken) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.broken = Some(why.clone());
        Poll::Ready(Some(Err(why)))
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if this.each {
                this.deadline.as_mut().reset(Instant::now() + this.limit);
            }
            return match frame {
                Some(Err(error)) => this.breaks(Broken::Cut(error.to_string())),
                Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Ready(None),
            };
        }
        if this.stopping.as_mut().poll(cx).is_ready() {
            return this.breaks(Broken::Stopping);
        }
        ready!(this.deadline.as_mut().poll(cx));
        this.breaks(Broken::Late(this.limit))
    }
}
