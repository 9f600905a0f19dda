//! The application that the demo and the tests roll out.

fn main() {}
