//! What a call may do: the closed list that grants, plugins and the log share.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One entry of the host's list of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(&'static str);

/// Every action there is.
pub const ALL: &[&str] = &[
    "post.create",
    "post.edit",
    "post.delete",
    "post.read",
    "post.promote",
    "comment.create",
    "comment.delete",
    "comment.hide",
    "message.send",
    "media.upload",
    "reaction.create",
    "reaction.delete",
    "relation.create",
    "relation.delete",
    "profile.read",
    "profile.edit",
    "timeline.read",
    "inbox.read",
    "metrics.read",
    "ad.manage",
    "audience.write",
];

impl Action {
    /// Publish something new.
    pub const POST_CREATE: Self = Self("post.create");
    /// Take back what was published.
    pub const POST_DELETE: Self = Self("post.delete");
    /// See what was published.
    pub const POST_READ: Self = Self("post.read");
    /// Answer somebody.
    pub const COMMENT_CREATE: Self = Self("comment.create");
    /// Put a medium on the network.
    pub const MEDIA_UPLOAD: Self = Self("media.upload");

    /// The action of that name, or none for a name that is not in the list.
    pub fn parse(name: &str) -> Option<Self> {
        ALL.iter().find(|known| **known == name).map(|known| Self(known))
    }

    /// Does it change nothing?
    pub fn is_read(self) -> bool {
        self.0.ends_with(".read")
    }

    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// What kind of action it is, for limits.
    pub fn class(self) -> ActionClass {
        match self.0 {
            "post.create" | "post.edit" | "post.promote" => ActionClass::Post,
            "comment.create" | "message.send" => ActionClass::Reply,
            "media.upload" => ActionClass::Media,
            name if name.ends_with(".delete") || name == "comment.hide" => ActionClass::Delete,
            name if name.ends_with(".read") => ActionClass::Read,
            _ => ActionClass::Other,
        }
    }
}

/// Kinds of action that are limited each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionClass {
    /// Says something new to everybody.
    Post,
    /// Answers somebody.
    Reply,
    /// Puts a medium on the network.
    Media,
    /// Takes something back.
    Delete,
    /// Only looks.
    Read,
    /// Everything else.
    Other,
}

impl ActionClass {
    /// Every class.
    pub const ALL: [Self; 6] = [Self::Post, Self::Reply, Self::Media, Self::Delete, Self::Read, Self::Other];

    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Reply => "reply",
            Self::Media => "media",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not an action")))
    }
}
