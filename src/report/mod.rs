//! What other programs may rely on: the contents and shapes of the documents,
//! without colours or layout.

mod connection;
mod document;
mod limiter;
mod services;

pub use connection::{Change, Connection, Holder, Interface, Namespace, Processes};
pub use document::{Cost, Document, Quality, RowEnd};
pub use limiter::Limiter;
pub use services::{AttributionEntry, ServiceEntry, Services};
