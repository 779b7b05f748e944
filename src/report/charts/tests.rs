//! Pictures of hand-made studies: they are well-formed, complete, and stay within their frame.
