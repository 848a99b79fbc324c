//! The words that a field may hold, as the OpenAPI document lists them: each list is made from the type that is answered.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{
    model::{Outcome, PostState, Severity, TargetState},
    refusal::{Blame, Stage, problem},
};

/// A named list of words for the document. A variant that is missing here does not compile.
macro_rules! words {
    ($($(#[doc = $text:literal])* $name:ident is $type:ident { $($variant:ident),* $(,)? })*) => {$(
        $(#[doc = $text])*
        pub struct $name;

        const _: fn($type) = |word| match word { $($type::$variant)|* => {} };

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                list(concat!($($text),*), [$($type::$variant),*])
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($type).into()
            }
        }
    )*};
}

words! {
    /// Where a post stands. With several targets it sums them up.
    PostStates is PostState {
        Draft, Review, Held, Denied, Approved, Rejected, Expired, Scheduled, Frozen, Cancelled, Publishing, Published, Partial, Failed,
        Unknown, Recalled
    }
    /// Where one target of a post stands.
    TargetStates is TargetState {
        Draft, Review, Held, Denied, Approved, Rejected, Expired, Scheduled, Frozen, Cancelled, Accepted, Publishing, Published, Failed,
        Unknown, Recalling, Recalled
    }
    /// What a policy decides.
    Outcomes is Outcome { Allow, Hold, Deny }
    /// How grave a finding is.
    Severities is Severity { Info, Warning, Error }
    /// The stage of the path that refused.
    Stages is Stage { Door, Authenticate, Classify, Authorise, Admit, Review, Approve, Clear, Record, Send }
    /// Who can mend it.
    Blames is Blame { Caller, Rule, Plugin, Platform, Gateway, Operator }
}

/// Address of a problem type's page, relative to this API.
pub struct ProblemTypes;

impl PartialSchema for ProblemTypes {
    fn schema() -> RefOr<Schema> {
        let text = "Address of a problem type's page, relative to this API. `x-problem-types` tells each one's status and title.";
        list(text, problem::ALL.iter().map(|problem| problem.address()))
    }
}

impl ToSchema for ProblemTypes {
    fn name() -> Cow<'static, str> {
        "ProblemType".into()
    }
}

fn list<T: Serialize>(text: &str, words: impl IntoIterator<Item = T>) -> RefOr<Schema> {
    let words: Vec<_> = words.into_iter().filter_map(|word| serde_json::to_value(word).ok()).collect();
    ObjectBuilder::new().schema_type(Type::String).description(Some(text.trim())).enum_values(Some(words)).into()
}
