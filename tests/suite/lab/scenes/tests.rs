//! The generator and the truth, without a network.
