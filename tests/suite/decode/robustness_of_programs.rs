//! Random filter programs and filter expressions.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tcpdiag::filter::{self, NoNames};
use tcpdiag::wire::bytecode::{Subject, accepts, verify};

use crate::lab::Random;

const BUDGET: Duration = Duration::from_secs(3);

fn subject(random: &mut Random) -> Subject {
    let addresses: [IpAddr; 4] = [
        "127.0.0.1".parse().unwrap(),
        "10.0.0.1".parse().unwrap(),
        "::1".parse().unwrap(),
        "::ffff:10.0.0.1".parse().unwrap(),
    ];
    Subject {
        local: *random.one_of(&addresses),
        local_port: random.next() as u16,
        remote: *random.one_of(&addresses),
        remote_port: random.next() as u16,
        interface: random.next() as u32 & 3,
        port_locked: random.below(2) == 0,
        mark: random.next() as u32 & 0xff,
        cgroup: random.next() & 7,
    }
}

/// Bytes that often form a valid program.
fn program(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(12) {
        match random.below(8) {
            // Random bytes.
            0 => bytes.extend(random.next().to_ne_bytes()),
            // An operation with valid jump lengths; its operands follow.
            _ => {
                let code = random.below(15) as u8;
                let least: u8 = match code {
                    0 | 1 | 6 => 4,
                    2..=5 | 9 | 11 | 12 => 8,
                    10 | 13 => 12,
                    _ => *random.one_of(&[12, 16, 28]),
                };
                let no = least as usize + 4 * random.below(4);
                bytes.extend([code, least]);
                bytes.extend((no as u16).to_ne_bytes());
                let family = *random.one_of(&[0, 2, 10]);
                bytes.extend([family, random.below(129) as u8, 0, 0]);
                bytes.extend((0..24).map(|_| random.byte()));
                bytes.truncate(bytes.len() - 28 + usize::from(least - 4).min(28));
            }
        }
    }
    if random.below(16) == 0 {
        bytes.pop();
    }
    bytes
}

#[test]
fn random_programs_end() {
    let mut random = Random::of("random_programs_end");
    let begun = Instant::now();
    let (mut inputs, mut valid, mut taken) = (0u32, 0u32, 0u32);
    while inputs < 200_000 || begun.elapsed() < BUDGET {
        let program = program(&mut random);
        let subject = subject(&mut random);
        valid += u32::from(verify(&program).is_ok());
        taken += u32::from(accepts(&program, &subject));
        inputs += 1;
        assert!(begun.elapsed() < Duration::from_secs(300), "{inputs} inputs");
    }
    println!("{inputs} programs, {valid} valid, {taken} accepted");
    // The generator must produce both valid and invalid programs.
    assert!(valid > inputs / 100 && valid < inputs && taken > 1000, "{valid} {taken}");
}

#[test]
fn every_short_program_ends() {
    // All codes with all small distances, including 0, which would loop.
    let mut random = Random::of("every_short_program_ends");
    let subject = subject(&mut random);
    for code in 0..=20u8 {
        for yes in 0..=40u8 {
            for no in 0..=40u16 {
                let mut program = vec![code, yes];
                program.extend(no.to_ne_bytes());
                program.extend([2, 8, 0, 0, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 0]);
                for length in [4, 8, 12, 16] {
                    let program = &program[..length];
                    let verdict = accepts(program, &subject);
                    // A program that the kernel refuses to load must not select
                    // anything that a loaded one would not.
                    if verify(program).is_ok() && yes == no as u8 {
                        assert_eq!(verdict, usize::from(yes) == length, "{program:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn expressions_are_parsed_or_refused() {
    /// Words of the language, and others.
    const WORDS: [&str; 40] = [
        "state",
        "exclude",
        "established",
        "connected",
        "src",
        "dst",
        "sport",
        "dport",
        "port",
        "=",
        "!=",
        ">",
        "<=",
        "(",
        ")",
        "not",
        "and",
        "or",
        "!",
        "&",
        "|",
        "10.0.0.0/8",
        "[::1]:80",
        ":22",
        "22",
        "1.5ms",
        "99999999999999999999",
        "rtt",
        "comm",
        "\"a b\"",
        "'",
        "*",
        "dev",
        "fwmark",
        "0x1/0xff",
        "cgroup",
        "/",
        "role",
        "äö\u{202e}",
        "\0",
    ];
    let mut random = Random::of("expressions_are_parsed_or_refused");
    let begun = Instant::now();
    let (mut inputs, mut read) = (0u32, 0u32);
    while inputs < 20_000 || begun.elapsed() < BUDGET {
        let mut text = String::new();
        for _ in 0..random.below(10) {
            if random.below(6) == 0 {
                text.extend((0..random.below(6)).map(|_| char::from(random.byte())));
            } else {
                text.push_str(WORDS[random.below(WORDS.len())]);
            }
            if random.below(4) > 0 {
                text.push(' ');
            }
        }
        match filter::parse(&text, &NoNames) {
            Ok(_) => read += 1,
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        inputs += 1;
        assert!(begun.elapsed() < Duration::from_secs(300), "{inputs} inputs");
    }
    println!("{inputs} texts, {read} read");
    assert!(read > 0 && read < inputs);
    // Depth is limited to protect the stack.
    for open in ["(", "not ", "!", "(not "] {
        let _ = filter::parse(&open.repeat(100_000), &NoNames);
    }
}
