//! All TCP sockets of one network namespace.

use std::ops::ControlFlow;

use super::{DumpOutcome, Dumper, Error, Transport};
use crate::model::{Families, StateSet};
use crate::sys::NetlinkSocket;
use crate::wire::{DumpRequest, Extensions, Form, Reply};

/// What to ask for. The kernel's filter only ever takes sockets away that are
/// not wanted; the reader still has to look.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Address families.
    pub families: Families,
    /// States.
    pub states: StateSet,
    /// Attributes.
    pub extensions: Extensions,
    /// Only this local port, 0 for any.
    pub local_port: u16,
    /// Only this remote port, 0 for any.
    pub remote_port: u16,
    /// Filter program, empty for none.
    pub program: &'a [u8],
}

/// The kernel's socket tables, asked the cheapest way it understands.
#[derive(Debug)]
pub struct Sockets<T = NetlinkSocket> {
    dumper: Dumper<T>,
    /// The kernel does not answer the single-walk form.
    no_single_walk: bool,
    /// The kernel does not take our filter programs.
    no_programs: bool,
}

impl Sockets {
    /// Opens the tables of the calling thread's network namespace.
    ///
    /// # Errors
    /// When the netlink socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        NetlinkSocket::open()
            .map(Self::over)
            .map_err(|source| Error::Socket { operation: "open", source })
    }
}

impl<T: Transport> Sockets<T> {
    /// Reads from `transport`.
    pub fn over(transport: T) -> Self {
        Self { dumper: Dumper::new(transport), no_single_walk: false, no_programs: false }
    }

    /// What it reads from.
    pub fn transport(&self) -> &T {
        self.dumper.transport()
    }

    /// The same, to give it something else to read from.
    pub fn transport_mut(&mut self) -> &mut T {
        self.dumper.transport_mut()
    }

    /// Whether the kernel has refused a filter program, so that more was handed
    /// on than the program would have let pass.
    pub fn refuses_programs(&self) -> bool {
        self.no_programs
    }

    /// Hands every socket that may match to `each`, in the kernel's order, each
    /// as it arrives.
    ///
    /// # Errors
    /// When the socket fails or the kernel refuses every form of the request.
    pub fn read(
        &mut self,
        query: &Query<'_>,
        mut each: impl FnMut(&Reply<'_>) -> ControlFlow<()>,
    ) -> Result<DumpOutcome, Error> {
        let mut total = DumpOutcome::default();
        let both = query.families == Families::BOTH;
        if both && !self.no_single_walk {
            match self.walk(query, Form::Both, &mut each) {
                // Asked of a kernel, or a sandbox, without the old interface.
                Err(error) if is_unsupported(&error) => self.no_single_walk = true,
                result => return result,
            }
        }
        for (wanted, form) in [(query.families.v4, Form::Ipv4), (query.families.v6, Form::Ipv6)] {
            if wanted && !total.stopped {
                total.add(&self.walk(query, form, &mut each)?);
            }
        }
        Ok(total)
    }

    fn walk(
        &mut self,
        query: &Query<'_>,
        form: Form,
        each: &mut impl FnMut(&Reply<'_>) -> ControlFlow<()>,
    ) -> Result<DumpOutcome, Error> {
        let mut request = DumpRequest {
            form,
            states: query.states.bits(),
            extensions: query.extensions,
            local_port: query.local_port,
            remote_port: query.remote_port,
            bytecode: if self.no_programs { &[] } else { query.program },
        };
        match self.dumper.dump(&request, &mut *each) {
            // An operation this kernel does not know (each came at some release)
            // or that needs CAP_NET_ADMIN. It is refused before any record.
            Err(Error::Refused { errno: libc::EINVAL | libc::EPERM, .. })
                if !request.bytecode.is_empty() =>
            {
                self.no_programs = true;
                request.bytecode = &[];
                self.dumper.dump(&request, each)
            }
            result => result,
        }
    }
}

fn is_unsupported(error: &Error) -> bool {
    matches!(
        error.errno(),
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::EINVAL | libc::EPROTONOSUPPORT)
    )
}
