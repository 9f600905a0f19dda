//! What a plugin of KULTA is written with.
