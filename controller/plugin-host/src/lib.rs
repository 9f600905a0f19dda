//! Plugins: loaded, limited and called, without being able to harm the controller.
