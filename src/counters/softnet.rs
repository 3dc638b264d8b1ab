//! `/proc/net/softnet_stat`: what each CPU did with received packets.
//!
//! Printed by `softnet_seq_show()` in net/core/net-procfs.c as rows of hexadecimal columns
//! without names, for the host and not a namespace. All columns are 32 bits wide and wrap.

use crate::model::wrap;

/// The columns by the kernel's names. Those without a name are unused and always 0.
///
/// 3.10 prints ten, 3.11 added `flow_limit_count`, 5.10 `backlog_len` and the CPU, 6.5 or so
/// the two queues that `backlog_len` is the sum of.
const COLUMNS: [&str; 15] = [
    "processed",
    "dropped",
    "time_squeeze",
    "",
    "",
    "",
    "",
    "",
    "cpu_collision",
    "received_rps",
    "flow_limit_count",
    "backlog_len",
    "cpu",
    "input_qlen",
    "process_qlen",
];

/// Position of the column that names the CPU.
const CPU: usize = 12;

/// The most rows that are read: `NR_CPUS` of x86, the largest of all architectures.
const MOST_CPUS: usize = 8192;

/// The most columns of a row, of those that later kernels may add.
const MOST_COLUMNS: usize = 32;

/// The row of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftnetCpu {
    /// The CPU: as the row says, or its line number on kernels that do not (offline CPUs have
    /// no row, so before 5.10 this is a guess).
    pub cpu: u32,
    /// All columns, with those that have no name.
    pub columns: Vec<u32>,
}

impl SoftnetCpu {
    /// A column by the kernel's name; `None` if this kernel does not print it.
    pub fn get(&self, name: &str) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        let at = COLUMNS.iter().position(|column| *column == name)?;
        self.columns.get(at).copied()
    }
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Softnet {
    /// One row per online CPU, in the order of their numbers.
    pub cpus: Vec<SoftnetCpu>,
    /// Rows that were skipped: not understood, not in the kernel's order, or more than there can be
    /// CPUs.
    pub malformed: usize,
}

impl Softnet {
    /// Names of the columns, in order, without the unused ones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        COLUMNS.into_iter().filter(|name| !name.is_empty())
    }

    /// Sum of a column over all CPUs; `None` if no row has it.
    pub fn total(&self, name: &str) -> Option<u64> {
        self.cpus.iter().filter_map(|cpu| cpu.get(name)).map(u64::from).reduce(|a, b| a + b)
    }

    /// Growth of a column since `before`, over the CPUs that both have; `None` if there is none,
    /// or if a column fell.
    pub fn growth(&self, before: &Self, name: &str) -> Option<u64> {
        let (mut sum, mut others) = (None, before.cpus.iter().peekable());
        for cpu in &self.cpus {
            while others.next_if(|old| old.cpu < cpu.cpu).is_some() {}
            let Some(old) = others.next_if(|old| old.cpu == cpu.cpu) else { continue };
            let (Some(old), Some(new)) = (old.get(name), cpu.get(name)) else { continue };
            sum = Some(sum.unwrap_or(0) + wrap::growth(old, new)?);
        }
        sum
    }
}

/// Parses the text of `/proc/net/softnet_stat`.
pub fn parse_softnet(text: &str) -> Softnet {
    let mut softnet = Softnet::default();
    for (line_number, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        let columns: Option<Vec<u32>> = line
            .split_ascii_whitespace()
            .take(MOST_COLUMNS)
            .map(|column| u32::from_str_radix(column, 16).ok())
            .collect();
        let row = columns.map(|columns| {
            let cpu = columns.get(CPU).copied();
            let cpu = cpu.unwrap_or_else(|| u32::try_from(line_number).unwrap_or(u32::MAX));
            SoftnetCpu { cpu, columns }
        });
        // `softnet_seq_start()` goes through the CPUs by their numbers.
        let last = softnet.cpus.last().map(|row| row.cpu);
        match row.filter(|row| last.is_none_or(|last| row.cpu > last)) {
            Some(row) if softnet.cpus.len() < MOST_CPUS => softnet.cpus.push(row),
            _ => softnet.malformed += 1,
        }
    }
    softnet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_of_each_cpu_may_wrap() {
        let of = |first: u32, second: u32| {
            parse_softnet(&format!("{first:08x} 00000000\n{second:08x} 00000000\n"))
        };
        let before = of(u32::MAX, 7);
        assert_eq!(of(2, 9).growth(&before, "processed"), Some(5));
        assert_eq!(of(2, 6).growth(&before, "processed"), None);
        assert_eq!(of(2, 9).growth(&before, "received_rps"), None);
        assert_eq!(of(2, 9).growth(&Softnet::default(), "processed"), None);
    }

    /// Rows of these CPUs.
    fn of_cpus(cpus: impl Iterator<Item = u32>, processed: u32) -> Softnet {
        let row = |cpu| format!("{processed:08x}{} {cpu:08x}\n", " 00000000".repeat(11));
        parse_softnet(&cpus.map(row).collect::<String>())
    }

    #[test]
    fn cpus_that_come_or_go_are_left_out_of_the_growth() {
        let before = of_cpus([0, 2, 3, 7].into_iter(), 10);
        for (cpus, growth) in [
            (vec![0, 2, 3, 7], Some(20)),
            (vec![1, 2, 7, 9], Some(10)),
            (vec![3], Some(5)),
            (vec![1, 4, 5, 6, 8], None),
        ] {
            let now = of_cpus(cpus.iter().copied(), 15);
            assert_eq!(now.growth(&before, "processed"), growth, "{cpus:?}");
        }
    }

    #[test]
    fn rows_are_bounded_and_in_order() {
        let many = of_cpus(0..100_000, 1);
        assert_eq!((many.cpus.len(), many.malformed), (MOST_CPUS, 100_000 - MOST_CPUS));
        let again = of_cpus([0, 0, 5, 3, 6].into_iter(), 1);
        assert_eq!(again.cpus.iter().map(|row| row.cpu).collect::<Vec<_>>(), [0, 5, 6]);
        assert_eq!(again.malformed, 2);
        let wide = parse_softnet(&"1 ".repeat(100_000));
        assert_eq!(wide.cpus[0].columns.len(), MOST_COLUMNS);
    }

    const NEW: &str = "\
00000012 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000003 00000004 00000005 00000000 00000005 00000000
0000001f 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003 00000000 00000000
";

    #[test]
    fn named_columns() {
        let softnet = parse_softnet(NEW);
        assert_eq!(softnet.malformed, 0);
        assert_eq!(softnet.cpus.iter().map(|row| row.cpu).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(softnet.total("processed"), Some(0x31));
        assert_eq!(softnet.total("dropped"), Some(1));
        assert_eq!(softnet.total("flow_limit_count"), Some(4));
        assert_eq!(softnet.total(""), None);
        assert_eq!(softnet.total("no_such"), None);
    }

    #[test]
    fn old_kernels_print_fewer_columns() {
        let softnet = parse_softnet(
            "00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n",
        );
        assert_eq!(softnet.total("processed"), Some(1));
        assert_eq!(softnet.total("backlog_len"), None);
        assert_eq!(softnet.cpus[0].cpu, 0);
    }

    #[test]
    fn damage_is_counted() {
        let softnet = parse_softnet("xyz\n1 2\n\n123456789\n");
        assert_eq!((softnet.cpus.len(), softnet.malformed), (1, 2));
    }
}
