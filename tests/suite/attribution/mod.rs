//! `tcpdiag services` compared with the kernel's trace of every retransmitted segment.

mod accuracy;
mod churn;
mod endurance;
mod listeners;
mod observer;
mod owners;
mod replay;
mod traffic;
