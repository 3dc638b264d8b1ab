//! Numbers in the record itself (`struct inet_diag_msg`) and in its small attributes.

use super::{Field, Reading, Source, fields};
use crate::model::{Socket, State};

fn given<T: Into<u64>>(value: Option<T>) -> Reading {
    value.map_or(Reading::Absent, |value| Reading::Integer(value.into()))
}

/// A record without a full socket (`inet_twsk_diag_fill()`, `inet_req_diag_fill()`, 6.12): the kernel
/// writes zeros for its queues, its user and its file. A child of a fast open is in SYN-RECV too,
/// and has all of them.
fn is_record_only(socket: &Socket) -> bool {
    socket.is_minisock() && socket.tcp_info.is_none()
}

fn of_connection(socket: &Socket, value: u32) -> Reading {
    given((socket.state != State::Listen && !is_record_only(socket)).then_some(value))
}

fn of_listener(socket: &Socket, value: u32) -> Reading {
    given((socket.state == State::Listen).then_some(value))
}

/// A destroy event has neither file nor user: `inet_sk_diag_fill()` (6.12) is called after the socket
/// was taken from its file.
fn inode(socket: &Socket) -> Reading {
    given((!is_record_only(socket) && socket.state != State::Close).then_some(socket.inode))
}

/// `sock_i_uid()` (6.12) is that of the file, and root's without a file.
fn uid(socket: &Socket) -> Reading {
    let known = !is_record_only(socket) && (socket.inode != 0 || socket.uid != 0);
    given(known.then_some(socket.uid))
}

/// The timer of TIME-WAIT fires once.
fn timer_retransmits(socket: &Socket) -> Reading {
    given(socket.timer.and_then(|timer| timer.unanswered()))
}

fn port(port: u16) -> Reading {
    given((port != 0).then_some(port))
}

fields! {
    RECV_Q "recv_q" "recv_q" Socket Gauge Bytes "3.10" Source::Row(|socket| of_connection(socket, socket.receive_queue)), from "rcv_nxt - copied_seq: tcp_diag_get_info()" => "Bytes received and not read by the program.";
    SEND_Q "send_q" "send_q" Socket Gauge Bytes "3.10" Source::Row(|socket| of_connection(socket, socket.send_queue)), from "write_seq - snd_una: tcp_diag_get_info()" => "Bytes written by the program and not acknowledged by the peer.";
    ACCEPT_QUEUE "accept_queue" "accept_queue" Socket Gauge Connections "3.10" Source::Row(|socket| of_listener(socket, socket.receive_queue)), from "sk_ack_backlog: tcp_diag_get_info()" => "Connections of a listener that wait for accept().";
    ACCEPT_QUEUE_MAX "accept_queue_max" "accept_queue_max" Socket Gauge Connections "3.10" Source::Row(|socket| of_listener(socket, socket.send_queue)), from "sk_max_ack_backlog: tcp_diag_get_info()" => "A listener's backlog; one more than this fits.";
    INODE "inode" "inode" Socket Code None "3.10" Source::Row(inode), from "sock_i_ino(): inet_diag_msg_attrs_fill()" => "Inode of the socket's file: 0 when no program holds it, absent of TIME-WAIT, SYN-RECV and destroyed sockets.";
    UID "uid" "uid" Socket Code None "3.10" Source::Row(uid), from "sock_i_uid(): inet_diag_msg_attrs_fill(); 0 for a socket that no program holds" => "User id of the socket's owner; absent when no program holds it.";
    TIMER_EXPIRES "timer_expires" "timer_expires_ms" Socket Gauge Milliseconds "3.10" Source::Row(|socket| given(socket.timer.map(|timer| timer.expires_ms))), from "icsk_timeout and others: inet_sk_diag_fill(), inet_twsk_diag_fill(), inet_req_diag_fill()" => "Time until the running timer fires.";
    TIMER_RETRANSMITS "timer_retransmits" "timer_retransmits" Socket Gauge Events "3.10" Source::Row(timer_retransmits), from "icsk_retransmits or icsk_probes_out: inet_sk_diag_fill(); num_retrans: inet_req_diag_fill()" => "Times the running timer has already fired without an answer.";
    TOS "tos" "tos" Socket Code None "3.10" Source::Row(|socket| given(socket.tos)), from "inet->tos: inet_diag_msg_attrs_fill()" => "IPv4 type of service byte.";
    TCLASS "tclass" "tclass" Socket Code None "3.10" Source::Row(|socket| given(socket.tclass)), from "np->tclass: inet_diag_msg_attrs_fill()" => "IPv6 traffic class byte.";
    MARK "mark" "mark" Socket Code None "4.9" Source::Row(|socket| given(socket.mark)), from "sk_mark: inet_diag_msg_attrs_fill()" => "Socket mark (SO_MARK); only sent to holders of CAP_NET_ADMIN.";
    CLASS_ID "class_id" "class_id" Socket Code None "4.9" Source::Row(|socket| given(socket.class_id)), from "sk_classid or sk_priority: inet_diag_msg_attrs_fill()" => "net_cls class, or the socket's priority.";
    SHUTDOWN "shutdown" "shutdown" Socket Code None "3.10" Source::Row(|socket| given(socket.shutdown)), from "sk_shutdown: inet_diag_msg_attrs_fill()" => "Closed directions: 1 receive, 2 send, 3 both.";
    CGROUP_ID "cgroup_id" "cgroup_id" Socket Code None "5.9" Source::Row(|socket| given(socket.cgroup_id)), from "cgroup_id(): inet_diag_msg_attrs_fill()" => "Id of the cgroup v2 in which the socket was created.";
    INTERFACE_INDEX "interface_index" "interface_index" Socket Code None "3.10" Source::Row(|socket| given((socket.interface != 0).then_some(socket.interface))), from "sk_bound_dev_if: inet_diag_msg_common_fill()" => "Index of the interface the socket is bound to.";
    LPORT "lport" "lport" Socket Code None "3.10" Source::Row(|socket| port(socket.local.port)), from "inet_num: inet_diag_msg_common_fill()" => "Local port as a number; absent when it has none.";
    RPORT "rport" "rport" Socket Code None "3.10" Source::Row(|socket| port(socket.remote.port)), from "inet_dport: inet_diag_msg_common_fill()" => "Remote port as a number; absent when it has no peer.";
}

/// Every number of the record itself.
pub static SOCKET: &[&Field] = &[
    &RECV_Q,
    &SEND_Q,
    &ACCEPT_QUEUE,
    &ACCEPT_QUEUE_MAX,
    &INODE,
    &UID,
    &TIMER_EXPIRES,
    &TIMER_RETRANSMITS,
    &TOS,
    &TCLASS,
    &MARK,
    &CLASS_ID,
    &SHUTDOWN,
    &CGROUP_ID,
    &INTERFACE_INDEX,
    &LPORT,
    &RPORT,
];
