//! The charm's `dispatch`.

fn main() {}
