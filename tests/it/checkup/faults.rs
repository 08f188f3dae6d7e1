//! Stores that are not well, each with the item that tells it.
