//! Kinds of notes.

macro_rules! kinds {
    ($($(#[$meaning:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// The kind of a note. A number is never reused for another kind; a reader skips and counts
        /// those that it does not know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$meaning])* $name = $number,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The kind of this number.
            pub const fn of(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// JSON: the host, its kernel and boot, the program, its clocks, its options.
    Host = 1, "host";
    /// JSON: which interface has the datagrams of which network namespace.
    Namespace = 2, "namespace";
    /// A sample begins. JSON: monotonic and wall clock, and whether it was taken early.
    Sample = 3, "sample";
    /// A counter file, or one beside them (softnet_stat, dev, nf_conntrack_count,
    /// nf_conntrack_max): its name, a newline, its text.
    Counters = 4, "counters";
    /// A dump begins. JSON: its number in the sample, families, states, attributes asked for.
    DumpBegin = 5, "dump_begin";
    /// A dump ended. JSON: its outcome.
    DumpEnd = 6, "dump_end";
    /// The destroy events up to here were taken. JSON: how many, and how many were lost.
    EventsDrained = 7, "events_drained";
    /// JSON lines: who holds a socket, for sockets that are new or have new holders.
    Owners = 8, "owners";
    /// JSON lines: the paths of cgroups.
    Cgroup = 9, "cgroup";
    /// JSON lines: the names of network interfaces.
    Interfaces = 10, "interfaces";
    /// Settings: a line for each, its name, a blank, its value.
    Sysctl = 11, "sysctl";
    /// A sample is complete. JSON: monotonic and wall clock, and what could not be read.
    SampleEnd = 13, "sample_end";
    /// The recording ends. JSON: why, and its totals.
    End = 12, "end";
    /// JSON: which sockets were recorded, if not all.
    Filter = 14, "filter";
    /// A network namespace is gone, so nothing more of it follows. JSON: as of `namespace`.
    NamespaceGone = 15, "namespace_gone";
}

impl Kind {
    /// The most bytes of its payload, of which reading may take twenty times as many. `Writer`
    /// divides lines at 1 MiB, and /proc/net/dev of 10,000 devices has 1.3 MB.
    pub(super) const fn longest(self) -> usize {
        match self {
            Self::Owners | Self::Cgroup | Self::Interfaces => 3 << 20,
            Self::Counters => 6 << 20,
            Self::Host => 1 << 20,
            _ => 256 << 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_belong_to_one_kind() {
        for (at, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(Kind::of(*kind as u16), Some(*kind));
            assert!(Kind::ALL[..at].iter().all(|other| other.name() != kind.name()));
        }
        assert_eq!(Kind::of(0), None);
        assert_eq!(Kind::of(u16::MAX), None);
    }
}
