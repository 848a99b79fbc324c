//! The trait of policies and the macro that exports one.

use std::marker::PhantomData;

use crate::Draft;
use crate::bindings::policy::exports::pressgate::plugin::policy_api::Guest;
pub use crate::bindings::policy::exports::pressgate::plugin::policy_api::{Context, Outcome, Verdict};

/// Judges a call before it is approved and sent. Has no network.
pub trait Policy {
    /// Judges one draft for one account. Pure: the same draft, context and configuration give the same verdict.
    fn review(draft: &Draft, context: &Context) -> Verdict;
}

/// The component's exports for a policy.
#[doc(hidden)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Policy> Guest for Exported<T> {
    fn review(draft: Draft, context: Context) -> Verdict {
        crate::panics::report();
        T::review(&draft, &context)
    }
}

/// Exports a type that implements [`Policy`] as the plugin of this crate. Once for each crate; does nothing natively
/// except check that the type implements the trait.
#[macro_export]
macro_rules! export_policy {
    ($plugin:ty) => {
        #[allow(unsafe_code, reason = "the component's exports are raw functions")]
        const _: () = {
            type Export = $crate::export::ExportedPolicy<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::policy::export_policy_world!(Export with_types_in $crate::bindings::policy);
            #[cfg(not(target_arch = "wasm32"))]
            const _: () = {
                const fn implements<T: $crate::Policy>(
                    _: ::core::marker::PhantomData<$crate::export::ExportedPolicy<T>>,
                ) {
                }
                implements(::core::marker::PhantomData::<Export>);
            };
        };
    };
}
