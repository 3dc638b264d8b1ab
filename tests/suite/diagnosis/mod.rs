//! `tcpdiag diagnose`: its arguments, forms of output and documentation, and the findings at
//! faults that the laboratory provokes.
//!
//! ```text
//! TCPDIAG_MATRIX_RUNS=3 TCPDIAG_WRITE_MATRIX=1 cargo test --test suite diagnosis::matrix -- --nocapture
//! ```

mod arguments;
mod cases;
mod conditions;
mod documentation;
mod filters;
mod forms;
mod matrix;
mod peers;
mod recordings;
mod table;
