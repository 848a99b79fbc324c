//! What an app can be told of a post's life.

/// The kind of an event. Its name is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A policy wants a person to look at the post.
    PostHeld,
    /// A person voted on it.
    PostVoted,
    /// Its author took it back before it was released.
    PostWithdrawn,
    /// The gateway refused something that was asked of it.
    PostRefused,
    /// A request that publishes it on an account is about to leave.
    TargetPublishing,
    /// A request that takes it back from an account is about to leave.
    TargetRecalling,
    /// An attempt came to nothing, and there will be another.
    TargetRetrying,
    /// It is on the account.
    TargetPublished,
    /// It is not on the account, and no further attempt is made.
    TargetFailed,
    /// A request was sent and not answered.
    TargetUnknown,
    /// It was taken back.
    TargetRecalled,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 11] = [
        Self::PostHeld,
        Self::PostVoted,
        Self::PostWithdrawn,
        Self::PostRefused,
        Self::TargetPublishing,
        Self::TargetRecalling,
        Self::TargetRetrying,
        Self::TargetPublished,
        Self::TargetFailed,
        Self::TargetUnknown,
        Self::TargetRecalled,
    ];

    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostHeld => "post.held",
            Self::PostVoted => "post.voted",
            Self::PostWithdrawn => "post.withdrawn",
            Self::PostRefused => "post.refused",
            Self::TargetPublishing => "target.publishing",
            Self::TargetRecalling => "target.recalling",
            Self::TargetRetrying => "target.retrying",
            Self::TargetPublished => "target.published",
            Self::TargetFailed => "target.failed",
            Self::TargetUnknown => "target.unknown",
            Self::TargetRecalled => "target.recalled",
        }
    }

    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
