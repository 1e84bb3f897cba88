//! What it means for a question that GitHub did not answer it with what was asked for. Pure.

use super::{Looked, NoAnswer};

/// How a request to GitHub failed, as far as questions about jobs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// It was not sent: a limit lasts.
    PutOff,
    /// GitHub knows no such thing.
    NotFound,
    /// GitHub handled it and does not say.
    Refused,
    /// It did not get that far.
    Unreachable,
}

impl Unanswered {
    /// What it says of the job that was asked about. None: nothing, and the question does not count.
    pub fn no_answer(self) -> Option<NoAnswer> {
        match self {
            Self::PutOff => None,
            Self::NotFound => Some(NoAnswer::NoSuchJob),
            Self::Refused => Some(NoAnswer::Unclear),
            Self::Unreachable => Some(NoAnswer::Unreachable),
        }
    }

    /// True if further questions about jobs would fail, too: they wait for the next pass.
    pub fn ends_questions(self) -> bool {
        matches!(self, Self::PutOff | Self::Unreachable)
    }

    /// What became of the look through a repository.
    pub fn looked(self) -> Looked {
        match self {
            Self::PutOff => Looked::PutOff,
            Self::NotFound | Self::Refused => Looked::Answered,
            Self::Unreachable => Looked::Failed,
        }
    }

    /// True if further looks would not be sent either.
    pub fn ends_looks(self) -> bool {
        self == Self::PutOff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_no_failure_and_what_was_refused_is_an_answer() {
        use NoAnswer::{NoSuchJob, Unclear, Unreachable};
        let rows = [
            (Unanswered::PutOff, None, true, Looked::PutOff, true),
            (Unanswered::NotFound, Some(NoSuchJob), false, Looked::Answered, false),
            (Unanswered::Refused, Some(Unclear), false, Looked::Answered, false),
            (Unanswered::Unreachable, Some(Unreachable), true, Looked::Failed, false),
        ];
        for (how, no_answer, ends_questions, looked, ends_looks) in rows {
            assert_eq!((how.no_answer(), how.ends_questions()), (no_answer, ends_questions));
            assert_eq!((how.looked(), how.ends_looks()), (looked, ends_looks), "{how:?}");
        }
    }
}
