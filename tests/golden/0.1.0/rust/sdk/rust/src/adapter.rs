//! The trait of adapters and the macro that exports one.

use std::marker::PhantomData;

use crate::bindings::adapter::exports::pressgate::plugin::adapter_api::Guest;
pub use crate::bindings::adapter::exports::pressgate::plugin::adapter_api::{
    Budget, Call, Classification, Classified, Description, Facts, Failure, Login, Performed, Published, RateClass,
    Reconciliation, Refusal, Rejection, Session, TokenPlace,
};
use crate::http::{Request, Response};
use crate::{Account, Draft, Finding};

/// Speaks to one kind of network. Each call runs in a fresh instance: statics start anew.
pub trait Adapter {
    /// Facts that never change while this version runs. Pure.
    fn describe() -> Description;

    /// Asks the network for its limits; may send `read` steps. The sentence of an error goes to the operators.
    fn discover(account: &Account) -> Result<Facts, String>;

    /// Can this draft be published with these facts? Pure. A finding of severity `error` stops the post.
    fn check(account: &Account, draft: &Draft, facts: Option<&Facts>) -> Vec<Finding>;

    /// What does this request of the network's own API do? Pure; what it does not know it refuses. The gateway also
    /// asks it about every effect that [`Adapter::perform`] sends, and compares the answer with what was approved.
    fn classify(account: &Account, request: &Request) -> Classification;

    /// Does the call. Run again from the start after a crash, with finished steps answered from the gateway's
    /// journal: the same call must make the same requests in the same order, byte for byte.
    fn perform(call: &Call) -> Result<Performed, Failure>;

    /// Did this unanswered step happen? May send `read` steps.
    fn reconcile(call: &Call, step: &str) -> Reconciliation;

    /// What do the headers of an answer (names in lower case) to a request for this absolute address say about limits? Pure.
    fn observe(method: &str, url: &str, status: u16, headers: &[(String, String)]) -> Vec<Budget>;

    /// The answer to a login, in the network's own shape. It names no other host than the one that was asked. Pure.
    /// Adapters whose clients do not log in leave it out: it is asked only after [`Classification::Login`].
    fn render_session(_account: &Account, _login: Login, _session: &Session, _request: &Request) -> Response {
        Response::empty(404)
    }

    /// The gateway's refusal in the network's own error shape. Pure.
    fn render_refusal(refusal: &Refusal, request: &Request) -> Response;
}

/// The component's exports for an adapter.
#[doc(hidden)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Adapter> Guest for Exported<T> {
    fn describe() -> Description {
        crate::panics::report();
        T::describe()
    }
    fn discover(account: Account) -> Result<Facts, String> {
        crate::panics::report();
        T::discover(&account)
    }
    fn check(account: Account, draft: Draft, facts: Option<Facts>) -> Vec<Finding> {
        crate::panics::report();
        T::check(&account, &draft, facts.as_ref())
    }
    fn classify(account: Account, request: Request) -> Classification {
        crate::panics::report();
        T::classify(&account, &request)
    }
    fn perform(call: Call) -> Result<Performed, Failure> {
        crate::panics::report();
        T::perform(&call)
    }
    fn reconcile(call: Call, step: String) -> Reconciliation {
        crate::panics::report();
        T::reconcile(&call, &step)
    }
    fn observe(method: String, url: String, status: u16, headers: Vec<(String, String)>) -> Vec<Budget> {
        crate::panics::report();
        T::observe(&method, &url, status, &headers)
    }
    fn render_session(account: Account, login: Login, session: Session, request: Request) -> Response {
        crate::panics::report();
        T::render_session(&account, login, &session, &request)
    }
    fn render_refusal(refusal: Refusal, request: Request) -> Response {
        crate::panics::report();
        T::render_refusal(&refusal, &request)
    }
}

/// Exports a type that implements [`Adapter`] as the plugin of this crate. Once for each crate; does nothing natively
/// except check that the type implements the trait.
#[macro_export]
macro_rules! export_adapter {
    ($plugin:ty) => {
        #[allow(unsafe_code, reason = "the component's exports are raw functions")]
        const _: () = {
            type Export = $crate::export::ExportedAdapter<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::adapter::export_adapter_world!(Export with_types_in $crate::bindings::adapter);
            #[cfg(not(target_arch = "wasm32"))]
            const _: () = {
                const fn implements<T: $crate::Adapter>(
                    _: ::core::marker::PhantomData<$crate::export::ExportedAdapter<T>>,
                ) {
                }
                implements(::core::marker::PhantomData::<Export>);
            };
        };
    };
}
