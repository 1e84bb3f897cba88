//! Words into a tree. Depth is bounded, both of the tree and of this reader's own recursion.

use super::token::{Token, tokens};
use super::{Comparison, Expression, Function};
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH};
use crate::value::Value;

/// Reads one expression; `None` if it is none, or beyond the limits.
pub(crate) fn parse(text: &str) -> Option<Expression> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return None;
    }
    let mut reader = Reader { tokens: tokens(text)?.into_iter().peekable(), depth: 0 };
    let tree = reader.either()?;
    reader.tokens.next().is_none().then_some(tree.expression)
}

/// An expression and how deep it is. Evaluating and dropping recurse, so no part may grow beyond the limit.
struct Tree {
    expression: Expression,
    depth: usize,
}

impl Tree {
    const fn leaf(expression: Expression) -> Self {
        Self { expression, depth: 1 }
    }

    /// An expression over parts, the deepest of which has depth `below`.
    fn over(below: usize, expression: Expression) -> Option<Self> {
        (below < MAX_EXPRESSION_DEPTH).then_some(Self { expression, depth: below + 1 })
    }

    /// The one operand as it is, more than one joined.
    fn join(mut operands: Vec<Self>, join: fn(Vec<Expression>) -> Expression) -> Option<Self> {
        if operands.len() == 1 {
            return operands.pop();
        }
        let (below, operands) = Self::split(operands);
        Self::over(below, join(operands))
    }

    fn split(parts: Vec<Self>) -> (usize, Vec<Expression>) {
        let below = parts.iter().map(|part| part.depth).max().unwrap_or(0);
        (below, parts.into_iter().map(|part| part.expression).collect())
    }

    fn index(self, key: Self) -> Option<Self> {
        let below = self.depth.max(key.depth);
        Self::over(below, Expression::Index(Box::new(self.expression), Box::new(key.expression)))
    }

    fn each(self) -> Option<Self> {
        Self::over(self.depth, Expression::Each(Box::new(self.expression)))
    }
}

struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Reader {
    fn take(&mut self, wanted: fn(&Token) -> bool) -> bool {
        self.tokens.next_if(wanted).is_some()
    }

    /// Runs `read` one level deeper.
    fn deeper(&mut self, read: fn(&mut Self) -> Option<Tree>) -> Option<Tree> {
        self.depth += 1;
        let result = if self.depth > MAX_EXPRESSION_DEPTH { None } else { read(self) };
        self.depth -= 1;
        result
    }

    fn either(&mut self) -> Option<Tree> {
        self.deeper(|this| {
            let mut operands = vec![this.both()?];
            while this.take(|token| matches!(token, Token::Or)) {
                operands.push(this.both()?);
            }
            Tree::join(operands, Expression::Or)
        })
    }

    fn both(&mut self) -> Option<Tree> {
        let mut operands = vec![self.equality()?];
        while self.take(|token| matches!(token, Token::And)) {
            operands.push(self.equality()?);
        }
        Tree::join(operands, Expression::And)
    }

    fn equality(&mut self) -> Option<Tree> {
        self.chain(Self::order, Comparison::is_equality)
    }

    fn order(&mut self) -> Option<Tree> {
        self.chain(Self::unary, |operator| !operator.is_equality())
    }

    /// A chain of those comparisons that `belongs` names, from the left.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Option<Tree>,
        belongs: fn(Comparison) -> bool,
    ) -> Option<Tree> {
        let mut left = operand(self)?;
        while let Some(&Token::Compare(operator)) = self.tokens.peek()
            && belongs(operator)
        {
            self.tokens.next();
            let right = operand(self)?;
            let (a, b) = (Box::new(left.expression), Box::new(right.expression));
            left = Tree::over(left.depth.max(right.depth), Expression::Compare(operator, a, b))?;
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Tree> {
        if self.take(|token| matches!(token, Token::Not)) {
            let operand = self.deeper(Self::unary)?;
            return Tree::over(operand.depth, Expression::Not(Box::new(operand.expression)));
        }
        let mut value = self.primary()?;
        loop {
            value = if self.take(|token| matches!(token, Token::Dot)) {
                match self.tokens.next()? {
                    Token::Name(name) => {
                        value.index(Tree::leaf(Expression::Literal(Value::text(name))))?
                    }
                    Token::Star => value.each()?,
                    _ => return None,
                }
            } else if self.take(|token| matches!(token, Token::OpenIndex)) {
                let all = self.take(|token| matches!(token, Token::Star));
                value = if all { value.each()? } else { value.index(self.either()?)? };
                self.take(|token| matches!(token, Token::CloseIndex)).then_some(value)?
            } else {
                return Some(value);
            };
        }
    }

    fn primary(&mut self) -> Option<Tree> {
        match self.tokens.next()? {
            Token::Literal(value) => Some(Tree::leaf(Expression::Literal(value))),
            Token::Open => {
                let inner = self.either()?;
                self.take(|token| matches!(token, Token::Close)).then_some(inner)
            }
            Token::Name(name) if self.take(|token| matches!(token, Token::Open)) => {
                let (below, arguments) = Tree::split(self.arguments()?);
                Tree::over(below, Expression::Call(Function::named(&name), arguments))
            }
            Token::Name(name) => Some(Tree::leaf(Expression::Context(name.to_ascii_lowercase()))),
            _ => None,
        }
    }

    fn arguments(&mut self) -> Option<Vec<Tree>> {
        let mut arguments = Vec::new();
        if self.take(|token| matches!(token, Token::Close)) {
            return Some(arguments);
        }
        loop {
            arguments.push(self.either()?);
            if self.take(|token| matches!(token, Token::Close)) {
                return Some(arguments);
            }
            if !self.take(|token| matches!(token, Token::Comma)) {
                return None;
            }
        }
    }
}

impl Comparison {
    const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_is_no_expression_is_refused() {
        let cases = [
            "", "'a", "a b", "a &&", "(a", "a)", "f(a", "f(a,)", "a.", "a[", "a[1", "1.2.3",
            "a = b", "a & b", "é", "!", "a ?? b", "a.'b'",
        ];
        for text in cases {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_deep_or_long_expression_is_refused_not_followed() {
        let deep = 20_000;
        for text in [
            "(".repeat(deep),
            "!".repeat(deep),
            format!("a{}", ".b".repeat(deep / 2)),
            format!("a{}", " == a".repeat(deep / 5)),
            format!("a{}", "[a".repeat(deep / 2)),
            "f(".repeat(deep / 2),
            "a".repeat(30_000),
        ] {
            assert!(parse(&text).is_none());
        }
        assert!(
            parse(&format!("a{}", " || a".repeat(1_000))).is_some(),
            "a flat chain is not deep"
        );
    }
}
