//! What is known of several backends when one does not answer.
