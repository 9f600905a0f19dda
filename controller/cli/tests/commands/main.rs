//! The commands from the outside: what they print, and why they fail.
#![cfg(test)]

mod end_to_end;
mod inspect;
mod record;
mod scene;
mod test;
