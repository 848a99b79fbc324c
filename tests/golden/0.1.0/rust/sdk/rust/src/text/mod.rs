//! What adapters need of texts: their length as a network counts it, and where links, mentions and tags are.
//!
//! ```
//! use pressgate_sdk::text::{EntityKind, Measure, entities};
//!
//! let text = "🎉 Žluťoučký kůň: https://acme.example/a, díky @eva.acme.example! #Jaro2027.";
//! let found: Vec<(EntityKind, &str)> = entities(text).iter().map(|entity| (entity.kind, entity.text)).collect();
//! assert_eq!(
//!     found,
//!     [
//!         (EntityKind::Link, "https://acme.example/a"),
//!         (EntityKind::Mention, "@eva.acme.example"),
//!         (EntityKind::Tag, "#Jaro2027"),
//!     ]
//! );
//! assert_eq!(Measure::graphemes().of("👩‍👩‍👧 kůň"), 5);
//! assert_eq!(Measure::graphemes().links_as(23).of("see https://acme.example"), 4 + 23);
//! ```

mod entities;
mod measure;

pub use entities::{Entity, EntityKind, entities};
pub use measure::{Measure, Weights};
