//! Every decision of KULTA, pure: the time is an argument.
