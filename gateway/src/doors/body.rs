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

/// Nobody is held to a pace before so much time.
const PACE_GRACE: Duration = Duration::from_secs(30);

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
    /// It came, and slower than so many bytes a second.
    Slow(u64),
    /// The gateway stops.
    Stopping,
    /// The client went away, or framed it badly.
    Cut(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(limit) => write!(f, "nothing came within {limit:?}"),
            Self::Slow(bytes) => write!(f, "less than {bytes} bytes a second came"),
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
            Self::Slow(bytes) => {
                let detail = format!("The body came slower than {bytes} bytes a second.");
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

/// A body with a deadline: for the whole, or for each pause and by the pace.
pub struct Timed {
    body: Body,
    pace: Pace,
    deadline: Pin<Box<Sleep>>,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    broken: Option<Broken>,
}

/// How long a body may take.
struct Pace {
    limit: Duration,
    /// The limit is for each pause; none where it is for the whole. Then so many bytes a second must come, 0 for any.
    bytes_per_second_min: Option<u64>,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    /// When the next piece must be there, after so many bytes more.
    fn after(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let least = self.bytes_per_second_min?;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let next = now + self.limit;
        Some(self.earned(least).map_or(next, |earned| next.min(earned)))
    }

    /// Until when what came is fast enough: the limit or a usual start, and a second for each so many bytes.
    fn earned(&self, least: u64) -> Option<Instant> {
        let earned_ms = self.bytes.saturating_mul(1_000).checked_div(least)?;
        self.begun.checked_add(self.limit.max(PACE_GRACE))?.checked_add(Duration::from_millis(earned_ms))
    }

    /// Why a body broke whose time is up.
    fn broken(&self, now: Instant) -> Broken {
        let least = self.bytes_per_second_min.unwrap_or_default();
        match self.earned(least) {
            Some(earned) if self.bytes > 0 && earned <= now => Broken::Slow(least),
            _ => Broken::Late(self.limit),
        }
    }
}

impl Timed {
    /// The whole body must be there within the configured time.
    pub fn whole(body: Body, gateway: &Gateway) -> Self {
        Self::new(body, gateway, None)
    }

    /// The client may pause for the configured time, and must not be slower than is configured.
    pub fn pauses(body: Body, gateway: &Gateway) -> Self {
        Self::new(body, gateway, Some(gateway.config.limits.upload_bytes_per_second_min))
    }

    fn new(body: Body, gateway: &Gateway, bytes_per_second_min: Option<u64>) -> Self {
        let limit = Duration::from_millis(gateway.config.limits.body_timeout_ms);
        let stop = Arc::clone(&gateway.stopping);
        let stopping = Box::pin(async move {
            stop.wait().await;
            sleep(STOP_GRACE).await;
        });
        let pace = Pace { limit, bytes_per_second_min, begun: Instant::now(), bytes: 0 };
        Self { body, pace, deadline: Box::pin(sleep(limit)), stopping, broken: None }
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
            let came = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            if let Some(next) = this.pace.after(came, Instant::now()) {
                this.deadline.as_mut().reset(next);
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
        let why = this.pace.broken(Instant::now());
        this.breaks(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_drips_is_not_waited_for_and_who_pauses_is() {
        let begun = Instant::now();
        let after = |ms: u64| begun + Duration::from_millis(ms);
        let limit = Duration::from_secs(30);
        let pace = || Pace { limit, bytes_per_second_min: Some(1_000), begun, bytes: 0 };
        // A byte each 10 seconds: the fourth comes too late.
        let mut drips = pace();
        assert_eq!(drips.after(1, after(10_000)), Some(after(30_001)));
        assert_eq!(drips.after(1, after(20_000)), Some(after(30_002)));
        assert!(matches!(drips.broken(after(30_002)), Broken::Slow(1_000)));
        // Who sent much may pause as long as ever, and no longer.
        let mut pauses = pace();
        assert_eq!(pauses.after(1_000_000, after(10)), Some(after(30_010)));
        assert!(matches!(pauses.broken(after(30_010)), Broken::Late(_)));
        // Nobody is held to a pace where there is none, or where the whole has its time.
        let mut any = Pace { bytes_per_second_min: Some(0), ..pace() };
        assert_eq!(any.after(1, after(500_000)), Some(after(530_000)));
        assert!(matches!(any.broken(after(530_000)), Broken::Late(_)));
        assert_eq!(Pace { bytes_per_second_min: None, ..pace() }.after(1, after(1)), None);
        assert!(matches!(pace().broken(after(30_000)), Broken::Late(_)), "nothing came at all");
    }
}
