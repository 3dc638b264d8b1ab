//! `tcpdiag diagnose`: its arguments, forms of output and documentation, and the findings at
//! faults that the laboratory provokes.
//!
//! ```text
//! TCPDIAG_MATRIX_RUNS=3 TCPDIAG_WRITE_MATRIX=1 cargo test --test suite diagnosis::matrix -- --nocapture
//! TCPDIAG_WRITE_MATRIX=1 cargo test --test suite held_out::held_out -- --ignored --nocapture
//! ```

mod arguments;
mod both_ends;
mod cases;
mod conditions;
mod confusion;
mod document;
mod documentation;
mod figures;
mod filters;
mod forms;
mod held_out;
mod limited_readers;
mod matrix;
mod peers;
mod recordings;
mod servers;
mod table;
