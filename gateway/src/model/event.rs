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
    /// It was made, as a draft or for later.
    PostCreated,
    /// It has a new version; what was approved is void.
    PostEdited,
    /// Its author is done.
    PostSubmitted,
    /// The policies looked at it.
    PostReviewed,
    /// A policy said no.
    PostDenied,
    /// Nobody's agreement is missing.
    PostApproved,
    /// A person said no.
    PostRejected,
    /// Nobody answered in time, and more people are asked.
    PostEscalated,
    /// Its time to be approved or sent is over.
    PostExpired,
    /// An outside party may vote by a link.
    PostInvited,
    /// Somebody said something of it.
    PostCommented,
    /// A comment was resolved.
    PostCommentClosed,
    /// It waits for its time.
    PostScheduled,
    /// Its time was moved.
    PostRescheduled,
    /// It is due.
    PostReleased,
    /// A person said that it goes after all.
    PostConfirmed,
    /// It is due, and a freeze is on.
    PostFrozen,
    /// Nobody wants it any more.
    PostCancelled,
    /// It is a draft again.
    PostReopened,
    /// It waits for its next occurrence.
    PostRearmed,
    /// What became of it was found out, or given up.
    PostResolved,
    /// Somebody had a target tried again.
    PostRetried,
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
    pub const ALL: [Self; 33] = [
        Self::PostHeld,
        Self::PostVoted,
        Self::PostWithdrawn,
        Self::PostCreated,
        Self::PostEdited,
        Self::PostSubmitted,
        Self::PostReviewed,
        Self::PostDenied,
        Self::PostApproved,
        Self::PostRejected,
        Self::PostEscalated,
        Self::PostExpired,
        Self::PostInvited,
        Self::PostCommented,
        Self::PostCommentClosed,
        Self::PostScheduled,
        Self::PostRescheduled,
        Self::PostReleased,
        Self::PostConfirmed,
        Self::PostFrozen,
        Self::PostCancelled,
        Self::PostReopened,
        Self::PostRearmed,
        Self::PostResolved,
        Self::PostRetried,
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
            Self::PostCreated => "post.created",
            Self::PostEdited => "post.edited",
            Self::PostSubmitted => "post.submitted",
            Self::PostReviewed => "post.reviewed",
            Self::PostDenied => "post.denied",
            Self::PostApproved => "post.approved",
            Self::PostRejected => "post.rejected",
            Self::PostEscalated => "post.escalated",
            Self::PostExpired => "post.expired",
            Self::PostInvited => "post.invited",
            Self::PostCommented => "post.commented",
            Self::PostCommentClosed => "post.comment-closed",
            Self::PostScheduled => "post.scheduled",
            Self::PostRescheduled => "post.rescheduled",
            Self::PostReleased => "post.released",
            Self::PostConfirmed => "post.confirmed",
            Self::PostFrozen => "post.frozen",
            Self::PostCancelled => "post.cancelled",
            Self::PostReopened => "post.reopened",
            Self::PostRearmed => "post.rearmed",
            Self::PostResolved => "post.resolved",
            Self::PostRetried => "post.retried",
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
