//! The trait of connectors and the macro that exports one.

use std::marker::PhantomData;

use crate::bindings::connector::exports::pressgate::plugin::connector_api::Guest;
pub use crate::bindings::connector::exports::pressgate::plugin::connector_api::{
    Delivery, Event, Failure, Reconciliation, Reference, Rejection,
};
use crate::http::{Error, Kind, Response};

/// Hands events to another system. Each call runs in a fresh instance: statics start anew.
pub trait Connector {
    /// Hands an event over. Run again from the start after a failure or a crash, with finished steps answered from the gateway's
    /// journal: the same delivery must make the same requests in the same order, byte for byte.
    fn deliver(delivery: &Delivery) -> Result<Reference, Failure>;

    /// Did this unanswered step happen? May send `read` steps. Asked only of steps of the safety [`TwoPhase`] and [`LookUp`], and of
    /// [`NativeKey`] past its window; connectors without such steps leave it out.
    ///
    /// [`TwoPhase`]: crate::http::Safety::TwoPhase
    /// [`LookUp`]: crate::http::Safety::LookUp
    /// [`NativeKey`]: crate::http::Safety::NativeKey
    fn reconcile(_delivery: &Delivery, step: &str) -> Reconciliation {
        Reconciliation::CannotKnow(format!("nobody looks after the step `{step}`"))
    }
}

impl Reference {
    /// What the other system calls it.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), url: None, extra: Vec::new() }
    }

    /// With an address for people.
    #[must_use]
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Nothing was to be done, or the other system names nothing.
    pub fn none() -> Self {
        Self::new("")
    }
}

impl Rejection {
    /// A refusal with its status, a code (lower-case with dashes) and a sentence for the operators.
    pub fn new(status: Option<u16>, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

impl Failure {
    /// What a failed [`crate::http::send`] means; as for adapters.
    pub fn from_error(step: &str, kind: Kind, error: Error) -> Self {
        crate::Failure::from_error(step, kind, error).into()
    }

    /// What an answer that is no success means by its status; as for adapters.
    pub fn from_status(response: &Response, message: impl Into<String>) -> Self {
        crate::Failure::from_status(response, message, None).into()
    }
}

impl From<crate::Rejection> for Rejection {
    fn from(why: crate::Rejection) -> Self {
        Self { status: why.status, code: why.code, message: why.message }
    }
}

impl From<crate::Failure> for Failure {
    fn from(failure: crate::Failure) -> Self {
        match failure {
            crate::Failure::Rejected(why) => Self::Rejected(why.into()),
            crate::Failure::Unauthorized(why) => Self::Unauthorized(why.into()),
            crate::Failure::RateLimited((why, wait_ms)) => Self::RateLimited((why.into(), wait_ms)),
            crate::Failure::Temporary(why) | crate::Failure::NotYet((why, _)) => Self::Temporary(why.into()),
            crate::Failure::Unknown(step) => Self::Unknown(step),
        }
    }
}

/// The component's exports for a connector.
#[doc(hidden)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Connector> Guest for Exported<T> {
    fn deliver(delivery: Delivery) -> Result<Reference, Failure> {
        crate::panics::report();
        T::deliver(&delivery)
    }
    fn reconcile(delivery: Delivery, step: String) -> Reconciliation {
        crate::panics::report();
        T::reconcile(&delivery, &step)
    }
}

/// Exports a type that implements [`Connector`] as the plugin of this crate. Once for each crate; does nothing natively
/// except check that the type implements the trait.
#[macro_export]
macro_rules! export_connector {
    ($plugin:ty) => {
        #[allow(unsafe_code, reason = "the component's exports are raw functions")]
        const _: () = {
            type Export = $crate::export::ExportedConnector<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::connector::export_connector_world!(Export with_types_in $crate::bindings::connector);
            #[cfg(not(target_arch = "wasm32"))]
            const _: () = {
                const fn implements<T: $crate::Connector>(
                    _: ::core::marker::PhantomData<$crate::export::ExportedConnector<T>>,
                ) {
                }
                implements(::core::marker::PhantomData::<Export>);
            };
        };
    };
}
