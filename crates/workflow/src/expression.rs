//! The expressions between `${{` and `}}`: their tree, how it is read, and what it may be worth.
//!
//! An expression has *outcomes*, not one value: where only run time can tell, every value that is possible is listed,
//! so that "may this be a self-hosted runner?" has an honest answer.

mod evaluate;
mod functions;
mod parse;
mod token;

pub(super) use evaluate::{Outcomes, Scope, equal, same_text};
use functions::Function;
pub(super) use functions::concat;
pub(super) use parse::parse;

use super::value::Value;

/// An expression as a tree, no deeper than the limit.
#[derive(Debug)]
pub(super) enum Expression {
    Literal(Value),
    /// A context such as `matrix`, in lower case.
    Context(String),
    Call(Function, Vec<Self>),
    /// `object.name` and `object[index]`.
    Index(Box<Self>, Box<Self>),
    /// `object.*`.
    Each(Box<Self>),
    Not(Box<Self>),
    Compare(Comparison, Box<Self>, Box<Self>),
    /// The first operand that counts as false, else the last.
    And(Vec<Self>),
    /// The first operand that counts as true, else the last.
    Or(Vec<Self>),
}

/// A comparison of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
