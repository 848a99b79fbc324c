//! Traces, metrics and the process's own log, pushed to a collector by OTLP.
//!
//! A call is one trace: the door's span, one for each stage, each guest and each request to a network. The spans are those of `tracing`
//! with the target [`SPAN`]; nothing else becomes one, and no event of the log is put into a span. What is told of a call are ids, codes
//! and names of plugins, by [`note`]; never a text, a secret, a path, a query or the value of a header.
//!
//! In reading order: [`spans`] makes them, [`traceparent`] reads and writes the header, `subscribe` sets all up, `queue` holds what waits,
//! `logs` and `measures` make messages, `push` delivers. Where nothing is configured no span is enabled: a call pays one look at a number.

mod logs;
mod measures;
mod push;
mod queue;
pub mod spans;
mod subscribe;
pub mod traceparent;

pub use push::{Delivery, PushParts, Pushing};
pub use spans::{SPAN, continued, is_on, note};
pub use subscribe::{Feed, subscribe};
