//! Intervals in the form that was asked for.

use std::io::{self, Write};

use super::{CounterChoice, ServicesView, attribution_csv, services, services_csv, services_jsonl};
use crate::attribution::ServiceInterval;
use crate::counters::Selection;
use crate::identity::ServiceRegistry;
use crate::output::{Form, OutputWriter, TableLayout, json_line};
use crate::procfs::Host;
use crate::report::{Frame, ServiceOrder, Services};

/// What is written of each interval, and how.
#[derive(Debug)]
pub struct ServicesWriter {
    /// The form.
    pub form: Form,
    /// Only these counters, in full.
    pub selection: Option<Selection>,
    /// Also counters that do not indicate trouble.
    pub all: bool,
    /// The most services in lists of tables.
    pub top: Option<usize>,
    /// What services are sorted by, if not by retransmits, then segments, then connections.
    pub order: Option<ServiceOrder>,
    /// Tables replace the previous ones.
    pub is_redrawn: bool,
    /// The titles of CSV were written.
    pub has_titles: bool,
}

impl ServicesWriter {
    /// Writes an interval, or the whole run.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write(
        &mut self,
        out: &mut OutputWriter<impl Write>,
        interval: &ServiceInterval,
        host: &Host,
        names: &ServiceRegistry,
        layout: TableLayout,
    ) -> io::Result<()> {
        if self.is_redrawn && !interval.is_whole_run {
            out.clear_screen()?;
        }
        for (netns, sum) in &interval.sums {
            let reconciled = sum.counters.total();
            let frame = Frame::new(interval, host, netns.as_ref(), sum);
            let mut document = Services::new(frame, &sum.table, &reconciled, names);
            if let Some(order) = self.order {
                document.sort(order);
            }
            if let Some(selection) = &self.selection {
                document.attribution.retain(|entry| selection.holds(&entry.attribution.counter));
            }
            match self.form {
                Form::Table => self.table(out, &document, interval.many, layout)?,
                Form::Json => json_line(&mut *out, &document)?,
                Form::Jsonl => services_jsonl(out, &document)?,
                // Rows of the whole run would count twice.
                Form::Csv if interval.is_whole_run => {}
                Form::Csv => {
                    let titles = !std::mem::replace(&mut self.has_titles, true);
                    match self.selection {
                        Some(_) => attribution_csv(out, &document, titles)?,
                        None => services_csv(out, &document, titles)?,
                    }
                }
            }
        }
        out.flush()
    }

    fn table(
        &self,
        out: &mut OutputWriter<impl Write>,
        document: &Services<'_>,
        many: bool,
        layout: TableLayout,
    ) -> io::Result<()> {
        if many {
            let title = match &document.document.netns {
                None => "All network namespaces".to_owned(),
                Some(netns) => format!(
                    "Network namespace {} ({})",
                    netns.name.as_deref().unwrap_or("without a name"),
                    netns.inode
                ),
            };
            out.heading(&title, layout.style)?;
        }
        let names: Vec<String> = match &self.selection {
            Some(selection) => selection
                .asked(document.attribution.iter().map(|entry| &*entry.attribution.counter)),
            None => Vec::new(),
        };
        let counters = match (&self.selection, self.all) {
            (Some(_), _) => CounterChoice::Named(&names),
            (None, true) => CounterChoice::All,
            (None, false) => CounterChoice::Problems,
        };
        let view = ServicesView { top: self.top, order: self.order, counters };
        services(out, document, layout, &view)?;
        out.blank()
    }
}
